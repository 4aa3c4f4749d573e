-- Put a callback of the quarantine back before its reader.
-- KEYS: quarantine, its bytes, callbacks, due   ARGV: entry's id, job id, wake-up
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not found then return 0 end
redis.call('RPUSH', KEYS[3], found[2][6])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('DECRBY', KEYS[2], #found[2][6])
return 1
