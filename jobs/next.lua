-- Goes behind a script that takes due ids, here a function of that name: one turn of a worker ends
-- and the next begins, in one step.
-- Returns nothing, or the id taken and how often its step was begun without an end.
-- KEYS: as before, then starts   ARGV: as before, then the job whose step has ended, the stage
redis.call('HDEL', KEYS[#KEYS], ARGV[#ARGV - 1] .. '.' .. ARGV[#ARGV])
local id = take()[1]
return id and {id, redis.call('HINCRBY', KEYS[#KEYS], id .. '.' .. ARGV[#ARGV], 1)} or {}
