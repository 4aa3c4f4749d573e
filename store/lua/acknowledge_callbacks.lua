-- Remove processed callbacks from their job's list, count their outcomes, and quarantine some.
-- They are named by their content, because two readers may process the same list: a callback that
-- is no longer there was acknowledged by the other reader.
local callbacks, due, counters, quarantine, quarantine_bytes = unpack(KEYS)
local job_id, retention_s = ARGV[1], ARGV[2]
local max_entries, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST = 5 -- of triples: entry, outcome, 1 to quarantine it

for i = FIRST, #ARGV, 3 do
  local entry, outcome, is_quarantined = ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1'
  if redis.call('LREM', callbacks, 0, entry) > 0 then
    redis.pcall('HINCRBY', counters, 'callbacks.' .. outcome, 1)
    if is_quarantined then
      redis.call('XADD', quarantine, '*', 'job', job_id, 'reason', outcome, 'entry', entry)
      redis.call('INCRBY', quarantine_bytes, #entry)
    end
  end
end
if redis.call('EXISTS', callbacks) == 0 then redis.call('ZREM', due, job_id) end

-- Delete the oldest entries while there are too many, too many bytes, or any past retention.
local oldest_kept = redis.call('TIME')[1] - retention_s
while true do
  local oldest = redis.call('XRANGE', quarantine, '-', '+', 'COUNT', 1)[1]
  if not oldest then break end
  local id, entry = oldest[1], oldest[2][6] or ''
  local fits = redis.call('XLEN', quarantine) <= max_entries
    and tonumber(redis.call('GET', quarantine_bytes) or 0) <= max_bytes
  if fits and string.match(id, '%d+') / 1000 >= oldest_kept then break end
  redis.call('XDEL', quarantine, id)
  redis.call('DECRBY', quarantine_bytes, #entry)
end
