-- Claim jobs that nobody has, by raising their wake-up: whoever comes next sees that they are taken,
-- and should the claimer die, they come up again.
-- KEYS: due   ARGV: latest wake-up of a job nobody has, end of the claim, how many of the first ids
-- are needed, ids. Where one that is needed is taken, nothing is claimed from there on.
local claimed = {}
for i = 4, #ARGV do
  local wake_up = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if wake_up and tonumber(wake_up) <= tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[i])
    claimed[#claimed + 1] = ARGV[i]
  elseif i - 4 < tonumber(ARGV[3]) then
    return claimed
  end
end
return claimed
