-- Finish the step of one job and start the step of the next due job of the same queue.
-- Returns {} if nothing is due, else {job id, number of its starts without a finish}.
local due, starts = KEYS[1], KEYS[2]
local now, lease_end, finished, suffix = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

redis.call('HDEL', starts, finished .. suffix)
local id = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1]
if not id then return {} end
redis.call('ZADD', due, lease_end, id)
return {id, redis.call('HINCRBY', starts, id .. suffix, 1)}
