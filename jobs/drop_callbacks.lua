-- Drop the callbacks that were read; the reader's wake-up goes with the last one.
-- KEYS: callbacks, due   ARGV: id, how many were read
redis.call('LTRIM', KEYS[1], ARGV[2], -1)
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
