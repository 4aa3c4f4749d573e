-- Lease due downloads, those first whose first URL expires first, by raising their wake-ups.
-- A download is LOW (1) while its first URL lives beyond `low_after`, else NORMAL (0).
-- Returns ids, each followed by its priority.
local due, deadlines = KEYS[1], KEYS[2]
local now, lease_end = tonumber(ARGV[1]), ARGV[2]
local max_jobs, max_low = tonumber(ARGV[3]), tonumber(ARGV[4])
local low_after, max_scanned = tonumber(ARGV[5]), tonumber(ARGV[6])
local PAGE = 50

local leased, jobs, low = {}, 0, 0

local function is_low(deadline)
  return deadline and tonumber(deadline) > low_after
end

local function lease(id, deadline)
  redis.call('ZADD', due, lease_end, id)
  leased[#leased + 1] = id
  leased[#leased + 1] = is_low(deadline) and 1 or 0
  jobs = jobs + 1
  if is_low(deadline) then low = low + 1 end
end

for first = 0, max_scanned - 1, PAGE do
  local ids = redis.call('ZRANGE', deadlines, first, first + PAGE - 1)
  if #ids == 0 then break end
  local wake_ups = redis.call('ZMSCORE', due, unpack(ids))
  local expiries = redis.call('ZMSCORE', deadlines, unpack(ids))
  for i, id in ipairs(ids) do
    if jobs >= max_jobs or (is_low(expiries[i]) and low >= max_low) then return leased end
    if wake_ups[i] and tonumber(wake_ups[i]) <= now then lease(id, expiries[i]) end
  end
end

-- All that were scanned are leased or wait for a retry: lease any that are due, by wake-up.
if jobs == 0 then
  local ids = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, max_jobs)
  for _, id in ipairs(ids) do
    local deadline = redis.call('ZSCORE', deadlines, id)
    if not is_low(deadline) or low < max_low then lease(id, deadline) end
  end
end
return leased
