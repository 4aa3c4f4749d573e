-- Lease due jobs by raising their wake-ups to the end of the lease. They are never removed: if the
-- message is lost, the job is due again.
-- Returns the ids, earliest wake-up first.
local due = KEYS[1]
local now, lease_end, max_jobs = ARGV[1], ARGV[2], ARGV[3]

local ids = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, max_jobs)
for _, id in ipairs(ids) do redis.call('ZADD', due, lease_end, id) end
return ids
