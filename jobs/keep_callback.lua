-- Keep a callback until it is read, and wake its reader: together, so that an answered callback
-- is never forgotten.
-- KEYS: callbacks, due   ARGV: id, callback, wake-up, most callbacks kept
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
