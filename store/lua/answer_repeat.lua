-- Note that a request is answered with the job under a number. Returns the number, or that of another job
-- that nobody was answered with, if somebody was with this one.
local open, answered, idempotency_key = unpack(KEYS)
local number, now, ttl_s, suffix = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local MAX_ANSWERED, MAX_LOOKED_AT = 100, 100

if redis.call('ZREM', open, number) == 1 then
  redis.call('ZADD', answered, now, number)
  redis.call('ZREMRANGEBYRANK', answered, 0, -MAX_ANSWERED - 1)
  redis.call('EXPIRE', answered, ttl_s)
  return tonumber(number)
end
for _, other in ipairs(redis.call('ZRANGE', open, 0, MAX_LOOKED_AT - 1)) do
  if redis.call('EXISTS', idempotency_key .. other .. suffix) == 1 then return tonumber(other) end
end
return tonumber(number)
