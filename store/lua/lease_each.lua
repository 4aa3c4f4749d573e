-- Lease the given jobs by raising their wake-ups, unless they wake later than `latest`.
-- The first `required` jobs are conditions: at the first that cannot be leased, the script stops.
-- Returns the ids that were leased.
local due = KEYS[1]
local latest, lease_end, required = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local FIRST = 4

local leased = {}
for i = FIRST, #ARGV do
  local id = ARGV[i]
  local wake_up = redis.call('ZSCORE', due, id)
  if wake_up and tonumber(wake_up) <= latest then
    redis.call('ZADD', due, lease_end, id)
    leased[#leased + 1] = id
  elseif i - FIRST < required then
    return leased
  end
end
return leased
