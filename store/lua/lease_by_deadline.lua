-- Take due downloads, those first whose URLs die first, by raising their wake-up to the end of a
-- lease. Patient ones, whose URLs live on for long, are taken only while their own room lasts.
-- Where those that come first are all put off, it is whatever is due, in the order of wake-ups.
-- Returns ids, each followed by 1 if it is patient, else 0.
-- KEYS: due, deadlines   ARGV: now, end of the lease, most ids, most patient ids, when patience begins,
-- how many to look at: those under way and those put off stand in front as well
local PAGE = 50
local taken, patient, at = {}, 0, 0
local function take(id, waits)
  redis.call('ZADD', KEYS[1], ARGV[2], id)
  taken[#taken + 1] = id
  taken[#taken + 1] = waits and 1 or 0
  if waits then patient = patient + 1 end
end
local function is_patient(deadline)
  return deadline and tonumber(deadline) > tonumber(ARGV[5])
end

while at < tonumber(ARGV[6]) do
  local ids = redis.call('ZRANGE', KEYS[2], at, at + PAGE - 1)
  if #ids == 0 then break end
  local wake_ups = redis.call('ZMSCORE', KEYS[1], unpack(ids))
  local deadlines = redis.call('ZMSCORE', KEYS[2], unpack(ids))
  for i, id in ipairs(ids) do
    local waits = is_patient(deadlines[i])
    if #taken / 2 >= tonumber(ARGV[3]) or (waits and patient >= tonumber(ARGV[4])) then
      return taken
    end
    if wake_ups[i] and tonumber(wake_ups[i]) <= tonumber(ARGV[1]) then take(id, waits) end
  end
  at = at + PAGE
end

if #taken == 0 then
  local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
  for _, id in ipairs(due) do
    local waits = is_patient(redis.call('ZSCORE', KEYS[2], id))
    if not waits or patient < tonumber(ARGV[4]) then take(id, waits) end
  end
end
return taken
