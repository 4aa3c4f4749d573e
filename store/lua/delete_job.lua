-- Delete a finished job whose retention has ended, unless it was revived in the meantime, or all that
-- is left of a job whose record is gone. The indexes that hold it show how it was counted.
-- Returns 1 if it was deleted, else 0.
local record, callbacks, retention, counters, unreadable = unpack(KEYS, 1, 5)
local open_jobs, places, permits, deadlines, reserved = unpack(KEYS, 6, 10)
local due_submits, due_polls, due_downloads = unpack(KEYS, 11, 13)
local FIRST_INDEX = 14 -- of the keys: the indexes that may hold the job
local job_id, now = ARGV[1], tonumber(ARGV[2])
local finished_states = ARGV[3] -- each in spaces
local counter = ARGV[4] -- of a job that an earlier version indexed by its state alone; '' for none
local archived = ARGV[5] -- the revision that is archived: another one, or one with callbacks, stays; '' for none

-- Returns a stored object; nil if it is absent or damaged, which must not stop the deletion.
local function read(hash, id, names)
  local is_json, value = pcall(cjson.decode, redis.call('HGET', hash, id) or '')
  if not is_json or type(value) ~= 'table' then return nil end
  for _, name in ipairs(names) do
    if type(value[name]) ~= 'string' then return nil end
  end
  return value
end

local ends_at = tonumber(redis.call('ZSCORE', retention, job_id) or math.huge)
if ends_at > now and redis.call('EXISTS', record) == 1 then return 0 end
if archived ~= '' then
  local revision = string.match(redis.call('GET', record) or '', '^{"rev":"(%x+)"')
  if revision ~= archived or redis.call('EXISTS', callbacks) == 1 then return 0 end
end

local function unquote(name)
  return (string.gsub(name, '%%(%x%x)', function(code) return string.char(tonumber(code, 16)) end))
end

-- The deletion comes first: a full Redis still accepts it, and then the rest of the script.
redis.call('DEL', record, callbacks, 'iq:needed_by:' .. job_id)
if archived == '' then
  redis.call('DEL', 'iq:deliveries:' .. job_id)
else
  redis.call('EXPIRE', 'iq:deliveries:' .. job_id, 30 * 86400)
end
local place = read(places, job_id, {'quota', 'priority', 'line'})
if place then
  redis.call('ZREM', 'iq:lines:' .. place.quota .. ':' .. place.priority .. ':' .. place.line, job_id)
end
local permit = read(permits, job_id, {'at', 'caller'})
if permit then
  redis.call('SREM', 'iq:in_flight:at:' .. permit.at, job_id)
  redis.call('SREM', 'iq:in_flight:by:' .. permit.caller, job_id)
end
for _, hash in ipairs({places, permits, reserved, unreadable}) do redis.call('HDEL', hash, job_id) end
for _, set in ipairs({retention, deadlines, due_submits, due_polls, due_downloads}) do
  redis.call('ZREM', set, job_id)
end

local deleted, caller = 0, nil
for i = FIRST_INDEX, #KEYS do
  if redis.call('ZREM', KEYS[i], job_id) == 1 then
    deleted = 1
    local state, kind, name = string.match(KEYS[i], '^iq:state:(%l+):(%l+):([^:]*)$')
    if kind == 'at' then counter = 'jobs.' .. state .. '.' .. name end
    if kind == 'by' and not string.find(finished_states, ' ' .. state .. ' ', 1, true) then
      caller = unquote(name)
    end
  end
end
if deleted == 1 and counter ~= '' then redis.pcall('HINCRBY', counters, counter, -1) end
if caller then redis.pcall('HINCRBY', open_jobs, caller, -1) end
return archived ~= '' and 1 or deleted
