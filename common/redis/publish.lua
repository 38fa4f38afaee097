-- Appends what one body holds, all of it or nothing, each element once.
--
-- KEYS  status stream, quarantine stream, events stream; with a dedupe window one dedupe key for each element in the
--       order below
-- ARGV  dedupe window in seconds or 0, received_at, request_id, object, content type,
--       number of groups of statuses; for each group: number of statuses, phone_number_id, display_phone_number,
--       entry_id, field, messaging_product; for each status: id, status, timestamp, recipient_id, errors, extra;
--       number of quarantined elements; for each: entry_id, field, phone_number_id, reason, detail, pointer, raw;
--       number of events; for each: field, entry_id, phone_number_id, raw
-- Returns the number of statuses added, of quarantined elements added, of either kind that were known.
--
-- An element is known when its key exists. The key is set after the entry was appended, never before: an error in
-- between leaves an entry without a key, which costs a duplicate at worst, and never a key without an entry.
local call, keys, args = redis.call, KEYS, ARGV
local window, received_at, request_id, object, content_type = args[1], args[2], args[3], args[4], args[5]
local dedupes = window ~= '0'
local key, arg = 3, 6

local function append(stream, ...)
    key = key + 1
    if dedupes and call('GET', keys[key]) then return 0 end
    local id = call('XADD', stream, '*', ...)
    if dedupes then call('SET', keys[key], id, 'EX', window) end
    return 1
end

local accepted, quarantined, elements = 0, 0, 0

local groups = tonumber(args[arg])
arg = arg + 1
for _ = 1, groups do
    local count = tonumber(args[arg])
    local phone, display, entry, field, product =
        args[arg + 1], args[arg + 2], args[arg + 3], args[arg + 4], args[arg + 5]
    arg = arg + 6
    for _ = 1, count do
        accepted = accepted + append(keys[1],
            'id', args[arg], 'status', args[arg + 1], 'timestamp', args[arg + 2], 'recipient_id', args[arg + 3],
            'phone_number_id', phone, 'display_phone_number', display, 'entry_id', entry, 'field', field,
            'messaging_product', product, 'object', object, 'errors', args[arg + 4], 'extra', args[arg + 5],
            'received_at', received_at, 'request_id', request_id)
        arg = arg + 6
    end
    elements = elements + count
end

local count = tonumber(args[arg])
arg = arg + 1
for _ = 1, count do
    quarantined = quarantined + append(keys[2],
        'reason', args[arg + 3], 'detail', args[arg + 4], 'pointer', args[arg + 5], 'raw', args[arg + 6],
        'content_type', content_type, 'received_at', received_at, 'request_id', request_id,
        'entry_id', args[arg], 'field', args[arg + 1], 'phone_number_id', args[arg + 2])
    arg = arg + 7
end
elements = elements + count

count = tonumber(args[arg])
arg = arg + 1
for _ = 1, count do
    append(keys[3], 'field', args[arg], 'entry_id', args[arg + 1], 'phone_number_id', args[arg + 2],
        'raw', args[arg + 3], 'received_at', received_at, 'request_id', request_id)
    arg = arg + 4
end

return {accepted, quarantined, elements - accepted - quarantined}
