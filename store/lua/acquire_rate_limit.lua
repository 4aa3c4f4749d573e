-- Count jobs that a caller is about to submit, all or none. Those of the last minute are counted by
-- the second, so that no 60 seconds, wherever they begin, exceed the limit.
-- A client that repeats the call after a broken connection is counted twice: never too few.
-- Returns {'ok'}, or {name of the exceeded limit, seconds until it allows the jobs (0: unknown)}.
local by_second, open_jobs = KEYS[1], KEYS[2]
local caller, jobs, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local per_minute, max_open = tonumber(ARGV[4]), tonumber(ARGV[5]) -- 0 for no limit
local WINDOW_S = 60

local open = tonumber(redis.call('HGET', open_jobs, caller) or 0) or 0 -- a damaged count is none
if max_open > 0 and open + jobs > max_open then return {'open_jobs', 0} end
if per_minute == 0 then return {'ok'} end

local recent, sum = {}, 0
local found = redis.call('HGETALL', by_second)
for i = 1, #found, 2 do
  local second, count = tonumber(found[i]), tonumber(found[i + 1])
  if not second or not count or second < now - WINDOW_S then
    redis.call('HDEL', by_second, found[i])
  else
    recent[#recent + 1] = {second = second, count = count}
    sum = sum + count
  end
end
if sum + jobs > per_minute then
  table.sort(recent, function(a, b) return a.second < b.second end)
  for _, each in ipairs(recent) do
    sum = sum - each.count
    if sum + jobs <= per_minute then return {'per_minute', each.second + WINDOW_S + 1 - now} end
  end
  return {'per_minute', 0}
end
redis.call('HINCRBY', by_second, now, jobs)
redis.call('EXPIRE', by_second, 2 * WINDOW_S)
return {'ok'}
