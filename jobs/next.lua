-- Goes behind a script that takes due ids, here a function of that name: one turn of a worker ends
-- and the next begins, in one step.
-- Returns nothing, or the id taken, how often its step was begun without an end, and its record.
-- KEYS: as before, then starts   ARGV: as before, then the job whose turn ends, the stage, what
-- stands before the id in the name of a record
local ended, stage, record = ARGV[#ARGV - 2], '.' .. ARGV[#ARGV - 1], ARGV[#ARGV]
redis.call('HDEL', KEYS[#KEYS], ended .. stage)
local id = take()[1]
if not id then return {} end
return {id, redis.call('HINCRBY', KEYS[#KEYS], id .. stage, 1), redis.call('GET', record .. id)}
