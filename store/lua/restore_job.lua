-- Bring an archived job back into Redis, as it was before it was moved, unless it is here already. It
-- goes back to the archive unless it changes soon.
-- Returns 1 if it was brought back, else 0.
local record, retention, counters = unpack(KEYS, 1, 3)
local FIRST_INDEX = 4
local job_id, old_record, stays_s, counter = unpack(ARGV)

if redis.call('EXISTS', record) == 1 then return 0 end
redis.call('SET', record, old_record)
redis.call('ZADD', retention, redis.call('TIME')[1] + stays_s, job_id)
for i = FIRST_INDEX, #KEYS do redis.call('ZADD', KEYS[i], 0, job_id) end
redis.pcall('HINCRBY', counters, counter, 1)
return 1
