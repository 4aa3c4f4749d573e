-- Claim a number of requests with the same digest: that of an earlier one, or for a new one the next.
-- An earlier one is one that nobody was answered with, or the last within the window.
local open, answered, counter, idempotency_key = unpack(KEYS)
local is_new, now, window_s, ttl_s, suffix = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local MAX_LOOKED_AT = 100

local function find_earlier()
  local unused -- claimed by a request that did not get as far as a job, perhaps not yet
  -- Those with the fewest claims are first: two repeated requests get different ones.
  for _, number in ipairs(redis.call('ZRANGE', open, 0, MAX_LOOKED_AT - 1)) do
    if redis.call('EXISTS', idempotency_key .. number .. suffix) == 1 then return number end
    unused = unused or number
  end
  local last = redis.call('ZREVRANGE', answered, 0, 0, 'WITHSCORES')
  if last[1] and tonumber(last[2]) >= now - window_s then return last[1], true end
  return unused
end

local number, is_answered
if not is_new then number, is_answered = find_earlier() end
number = number or redis.call('INCR', counter)
if not is_answered then redis.call('ZINCRBY', open, 1, number) end
for _, key in ipairs({open, answered, counter}) do redis.call('EXPIRE', key, ttl_s) end
return tonumber(number)
