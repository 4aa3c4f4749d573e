-- Compare-and-set: write a job only if its record is still the one that was read, together with the
-- indexes of its state, the wake-up, the counters, the stream of changes and the webhook. No crash can
-- leave a live job without a wake-up.
-- Returns 1 if the job is written, 0 if it has changed.
local record, old_due, new_due, deadlines = unpack(KEYS, 1, 4)
local counters, open_jobs, changes, batch, webhooks, due_webhooks = unpack(KEYS, 5, 10)
local places, permits, reserved = unpack(KEYS, 11, 13)
local ledger, day_costs, batch_costs, day_spent, month_spent = unpack(KEYS, 14, 18)
local made = KEYS[19] -- '' unless the job has just succeeded
local needed_by, due_submits = KEYS[20], KEYS[21] -- '' unless the job has just finished
local FIRST_INDEX, INDEXES = 22, 4 -- of the keys: those of the old state and provider, then of the new
local job_id, old_revision, new_record, wake_up = unpack(ARGV, 1, 4)
local deadline = ARGV[5] -- '' for none
local old_state, new_state, max_changes, caller = unpack(ARGV, 6, 9)
local opened = ARGV[10] -- how many more open jobs the caller has: -1, 0 or 1
local webhook, webhook_wake_up = ARGV[11], ARGV[12] -- '' for no webhook
local place = ARGV[13] -- the job's place among queued jobs; '' if it is not queued
local is_in_flight = ARGV[14] == '1'
local sent_at = ARGV[15] -- the latest time at which the provider counted the task; '' for no change
local ledger_entries = ARGV[16] -- '' for none
local COSTS_TTL_S = 400 * 86400 -- of a batch, and of budgets; the sums of a day stay
local FIRST_COUNT = 17 -- of pairs: counter, what to add to it

-- Returns a stored object; nil if it is absent or damaged, which must not stop the transition.
local function read(hash, id, names)
  local is_json, value = pcall(cjson.decode, redis.call('HGET', hash, id) or '')
  if not is_json or type(value) ~= 'table' then return nil end
  for _, name in ipairs(names) do
    if type(value[name]) ~= 'string' then return nil end
  end
  return value
end

local REVISION = '^{"rev":"(%x+)"'
local revision = string.match(redis.call('GET', record) or '', REVISION)
if revision == string.match(new_record, REVISION) then
  -- A client repeats the call after a broken connection: everything is in place. The record is
  -- written again, because WAITAOF covers only the writes of its own connection.
  redis.call('SET', record, new_record)
  return 1
end
if revision ~= old_revision then return 0 end

redis.call('SET', record, new_record)
for i = FIRST_INDEX, FIRST_INDEX + INDEXES - 1 do
  if KEYS[i] ~= KEYS[i + INDEXES] then
    redis.call('ZREM', KEYS[i], job_id)
    redis.call('ZADD', KEYS[i + INDEXES], 0, job_id)
  end
end
if old_due ~= new_due then redis.call('ZREM', old_due, job_id) end
redis.call('ZADD', new_due, wake_up, job_id)
if deadline ~= '' then
  redis.call('ZADD', deadlines, deadline, job_id)
else
  redis.call('ZREM', deadlines, job_id)
end

-- A queued job has its place, and a permit only while it is leased or in flight. It leaves its line:
-- the due set has its wake-up.
local old_place = read(places, job_id, {'quota', 'priority', 'line'})
if old_place then
  local lines = 'iq:lines:' .. old_place.quota .. ':' .. old_place.priority
  redis.call('ZREM', lines .. ':' .. old_place.line, job_id)
end
if place ~= '' then redis.call('HSET', places, job_id, place) else redis.call('HDEL', places, job_id) end
local permit = read(permits, job_id, {'at', 'caller', 'send'})
if permit and sent_at ~= '' then
  redis.call('ZADD', 'iq:sent:' .. permit.at, 'XX', sent_at, permit.send)
end
if permit and old_state == 'queued' and not is_in_flight then -- it was never sent
  redis.call('ZREM', 'iq:sent:' .. permit.at, permit.send)
end
if permit and not is_in_flight then
  redis.call('SREM', 'iq:in_flight:at:' .. permit.at, job_id)
  redis.call('SREM', 'iq:in_flight:by:' .. permit.caller, job_id)
end
if not is_in_flight then redis.call('HDEL', permits, job_id) end
-- The estimate stays reserved until the outcome is known: from here on, it is in the ledger or free.
if new_state ~= 'submitting' then redis.call('HDEL', reserved, job_id) end

-- A damaged sum or counter (pcall) stops no job.
-- The amounts are text, as Lua's numbers would round large ones.
for _, each in ipairs(ledger_entries ~= '' and cjson.decode(ledger_entries) or {}) do
  redis.call('XADD', ledger, '*', 'job', job_id, 'entry', each.entry)
  for name, amount in pairs(each.amounts) do
    redis.pcall('HINCRBY', day_costs, each.group .. '|' .. name, amount)
    if batch_costs ~= '' then
      redis.pcall('HINCRBY', batch_costs, name, amount)
      redis.call('EXPIRE', batch_costs, COSTS_TTL_S)
    end
  end
  for unit, amount in pairs(each.spent) do
    for _, spent in ipairs({day_spent, month_spent}) do
      redis.pcall('HINCRBY', spent, unit .. '|*', amount)
      redis.pcall('HINCRBY', spent, unit .. '|' .. each.caller, amount)
      redis.call('EXPIRE', spent, COSTS_TTL_S)
    end
  end
end

if needed_by ~= '' then
  -- They may be cancelled by now: those are in no due set.
  for _, id in ipairs(redis.call('SMEMBERS', needed_by)) do redis.call('ZADD', due_submits, 'XX', 0, id) end
  redis.call('DEL', needed_by)
end
if made ~= '' then redis.call('SET', made, job_id, 'EXAT', math.floor(wake_up)) end
for i = FIRST_COUNT, #ARGV, 2 do redis.pcall('HINCRBY', counters, ARGV[i], ARGV[i + 1]) end
if opened ~= '0' then redis.pcall('HINCRBY', open_jobs, caller, opened) end
redis.pcall('XADD', changes, 'MAXLEN', '~', max_changes, '*', 'job', job_id, 'state', new_state,
  'caller', caller)
if batch ~= '' and old_state ~= new_state and redis.call('EXISTS', batch) == 1 then
  redis.pcall('HINCRBY', batch, old_state, -1)
  redis.pcall('HINCRBY', batch, new_state, 1)
end
if webhook ~= '' then
  redis.call('RPUSH', webhooks, webhook)
  redis.call('ZADD', due_webhooks, webhook_wake_up, job_id)
end
return 1
