-- Count jobs that a caller is about to send, all or none: those of the last minute, by the second,
-- so that however they are spread no minute has more than the limit.
-- A client whose connection broke asks again, and counts twice: for a minute, and never too few.
-- Returns {"ok"}, or {which limit stands against them, seconds until it does not}.
-- KEYS: seconds of this caller, open jobs   ARGV: caller, jobs, now in whole seconds, most jobs a
-- minute, most open jobs (0 for no limit)
local jobs, now = tonumber(ARGV[2]), tonumber(ARGV[3])
local per_minute, most_open = tonumber(ARGV[4]), tonumber(ARGV[5])
local open = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
if most_open > 0 and open + jobs > most_open then return {'open_jobs', 0} end
if per_minute == 0 then return {'ok'} end

local seconds, sum = {}, 0
local found = redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  local second, count = tonumber(found[i]), tonumber(found[i + 1])
  if second < now - 60 then
    redis.call('HDEL', KEYS[1], found[i])
  else
    seconds[#seconds + 1] = {second, count}
    sum = sum + count
  end
end
if sum + jobs > per_minute then
  table.sort(seconds, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(seconds) do
    sum = sum - each[2]
    if sum + jobs <= per_minute then return {'per_minute', each[1] + 61 - now} end
  end
  return {'per_minute', 0}
end
redis.call('HINCRBY', KEYS[1], ARGV[3], jobs)
redis.call('EXPIRE', KEYS[1], 120)
return {'ok'}
