-- Keep callbacks until they are read, and wake their readers: together, so that an answered
-- callback is never forgotten. Returns 1 for each that is kept, 0 where its job has too many.
-- KEYS: due, then each callback's list   ARGV: most a job, then for each: job id, wake-up, entry
local kept = {}
for i = 2, #KEYS do
  local at = 3 * (i - 2) + 2
  kept[i - 1] = 0
  if redis.call('LLEN', KEYS[i]) < tonumber(ARGV[1]) then
    redis.call('RPUSH', KEYS[i], ARGV[at + 2])
    redis.call('ZADD', KEYS[1], ARGV[at + 1], ARGV[at])
    kept[i - 1] = 1
  end
end
return kept
