-- Delete a finished job whose retention has ended, unless it was revived in the meantime.
-- Returns 1 if it was deleted, else 0.
local record, callbacks, retention, counters, unreadable = unpack(KEYS, 1, 5)
local FIRST_INDEX = 6 -- of the keys: the indexes that may hold the job
local job_id, now = ARGV[1], tonumber(ARGV[2])

local ends_at = redis.call('ZSCORE', retention, job_id)
if not ends_at or tonumber(ends_at) > now then return 0 end
local is_json, job = pcall(cjson.decode, redis.call('GET', record) or '{}')
-- The deletion comes first: a full Redis still accepts it, and then the rest of the script.
redis.call('DEL', record, callbacks)
redis.call('ZREM', retention, job_id)
redis.call('HDEL', unreadable, job_id)
for i = FIRST_INDEX, #KEYS do redis.call('ZREM', KEYS[i], job_id) end
-- A damaged record does not say how it was counted.
if is_json and type(job) == 'table' and type(job.state) == 'string' and type(job.provider) == 'string' then
  redis.call('HINCRBY', counters, 'jobs.' .. job.state .. '.' .. job.provider, -1)
end
return 1
