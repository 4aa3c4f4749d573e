-- Keep a new job: its record, its place in the index by state, and its first wake-up.
-- Where a key for "once" is given, a second call under it keeps nothing and returns the first id.
-- KEYS: record, index, due, once ("" for none)   ARGV: id, record, wake-up, seconds "once" is kept
if KEYS[4] ~= '' then
  local known = redis.call('GET', KEYS[4])
  if known then return known end
  redis.call('SET', KEYS[4], ARGV[1], 'EX', ARGV[4])
end
-- A client whose connection broke asks again: by then the job may be on its way already.
if redis.call('EXISTS', KEYS[1]) == 1 then return ARGV[1] end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return ARGV[1]
