-- Finish one download and start the next due one: the job whose first URL expires first.
-- A download is LOW while its first URL lives beyond `low_after`. Without `allow_low`, those are left.
-- Returns {} if nothing is due, else {job id, number of its starts without a finish}.
local due, starts, deadlines = KEYS[1], KEYS[2], KEYS[3]
local now, lease_end, finished, suffix = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local allow_low, low_after, max_scanned = ARGV[5] == '1', tonumber(ARGV[6]), tonumber(ARGV[7])
local PAGE = 50

local function is_allowed(deadline)
  return allow_low or not deadline or tonumber(deadline) <= low_after
end

local function find_due()
  for first = 0, max_scanned - 1, PAGE do
    local ids = redis.call('ZRANGE', deadlines, first, first + PAGE - 1)
    if #ids == 0 then break end
    local wake_ups = redis.call('ZMSCORE', due, unpack(ids))
    local expiries = redis.call('ZMSCORE', deadlines, unpack(ids))
    for i, id in ipairs(ids) do
      if not is_allowed(expiries[i]) then return nil end
      if wake_ups[i] and tonumber(wake_ups[i]) <= tonumber(now) then return id end
    end
  end
  -- All that were scanned are leased or wait for a retry: take any that is due.
  local id = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1]
  return id and is_allowed(redis.call('ZSCORE', deadlines, id)) and id
end

redis.call('HDEL', starts, finished .. suffix)
local id = find_due()
if not id then return {} end
redis.call('ZADD', due, lease_end, id)
return {id, redis.call('HINCRBY', starts, id .. suffix, 1)}
