-- Drop the callbacks that were read; the reader's wake-up goes with the last one. They are named by
-- their content: with two readers at once, a count would drop one that nobody has read.
-- KEYS: callbacks, due   ARGV: id, then each entry that was read
for i = 2, #ARGV do redis.call('LREM', KEYS[1], 0, ARGV[i]) end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
