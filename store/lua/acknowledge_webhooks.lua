-- Remove webhooks from their job's list: they were delivered, or become dead letters. Log the try.
-- They are named by their content, because two workers may send from the same list: a webhook that
-- is no longer there was acknowledged by the other worker.
-- Returns how many were removed.
local webhooks, due, dead_letters, deliveries, record = unpack(KEYS, 1, 5)
local job_id, now = ARGV[1], ARGV[2]
local max_dead = ARGV[3] -- '0' where the webhooks were delivered
local delivery, max_deliveries = ARGV[4], ARGV[5] -- '' for no try
local FIRST = 6 -- of the entries

local removed = 0
for i = FIRST, #ARGV do
  local entry = ARGV[i]
  if redis.call('LREM', webhooks, 0, entry) > 0 then
    removed = removed + 1
    if max_dead ~= '0' then
      redis.call('XADD', dead_letters, 'MAXLEN', max_dead, '*', 'job', job_id, 'entry', entry)
    end
  end
end
if redis.call('EXISTS', webhooks) == 0 then
  redis.call('ZREM', due, job_id)
elseif removed > 0 then
  redis.call('ZADD', due, now, job_id) -- the next webhook is due at once
end
-- The log ends with its job. It comes last: a full Redis must not have a webhook sent again for it.
if delivery ~= '' and redis.call('EXISTS', record) == 1 then
  redis.pcall('RPUSH', deliveries, delivery)
  redis.pcall('LTRIM', deliveries, -max_deliveries, -1)
end
return removed
