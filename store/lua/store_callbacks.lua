-- Store callbacks and wake their readers, in one step: an acknowledged callback is never forgotten.
-- Returns 1 for each that is stored, 0 where its job has `max_unread` already.
local due = KEYS[1]
local max_unread = tonumber(ARGV[1])

local stored = {}
for i = 2, #KEYS do
  local callbacks = KEYS[i]
  local at = 3 * (i - 2) + 2
  local job_id, wake_up, entry = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  stored[i - 1] = 0
  if redis.call('LLEN', callbacks) < max_unread then
    redis.call('RPUSH', callbacks, entry)
    redis.call('ZADD', due, wake_up, job_id)
    stored[i - 1] = 1
  end
end
return stored
