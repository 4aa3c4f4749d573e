-- Add a job to the other indexes of its state, unless it has left that state in the meantime.
local by_state = KEYS[1]
local job_id = ARGV[1]

if not redis.call('ZSCORE', by_state, job_id) then return end
for i = 2, #KEYS do redis.call('ZADD', KEYS[i], 0, job_id) end
