-- Goes behind a script that takes due ids, here a function of that name: one turn of a worker ends
-- and the next begins, in one step.
-- Returns nothing, or the id taken, 1 if it is patient, how often its step was begun without an
-- end, and its record.
-- KEYS: as before, then starts   ARGV: as before, then the job whose turn ends, the stage, what
-- stands before the id in the name of a record
local ended, stage, record = ARGV[#ARGV - 2], '.' .. ARGV[#ARGV - 1], ARGV[#ARGV]
redis.call('HDEL', KEYS[#KEYS], ended .. stage)
local id, patient = unpack(take())
if not id then return {} end
local starts = redis.call('HINCRBY', KEYS[#KEYS], id .. stage, 1)
return {id, patient or 0, starts, redis.call('GET', record .. id)}
