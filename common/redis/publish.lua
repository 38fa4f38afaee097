-- Appends the elements of one body, or of several that hold nothing but statuses, each element once.
--
-- KEYS  with a dedupe window: the state, set 0, set 1; then each stream that is appended to, no other; last, with
--       elements that are no statuses, the room
-- ARGV  1  numbers: the window in seconds or 0; for how long a set counts as written; may two digests be the same,
--          0 or 1? Is something to be written also when all is known, 0 or 1? How many statuses, elements in
--          quarantine, events
--       2  the statuses, by groups: how many, and the eight values that they share; then of each six of its own
--       3  with a window: the digests of all elements
--       …  in the order of the elements: an `extra` that is too long for 2, as it is; of an element that is no status
--          its names and values
-- All words but such an extra are MessagePack, values one after the other. In 2, nil is the value before it of the
-- same name, and true is an extra that is the next word.
--
-- Returns 0: all was new; 1: all was known. Else a list: by how many seconds the clock has gone back, or 0; the places
-- of elements, from 1: p, it was known; -p, it is not stored; last the reason, if there is such a one.
--
-- An element is known when its digest is in one of the two sets, or came earlier in this call. It is added to the
-- current set after the entry was appended: an error in between leaves an entry without a digest, which costs a
-- duplicate at worst, and never a digest without an entry. What can fail is therefore tried before the first append.
--
-- The state is "C K L W L W", in as many digits each time: C is the current set. L is until when, in seconds of this
-- server, a set counts as written, the current one first; W the longest window it was written under. A set goes when it
-- has not been written for the longer of its own and of today's window. When nothing was written for a quarter of it,
-- there was a pause, or the clock has jumped: then the older set stays that much longer, K being 1, but only once.
--
-- The room is "Q E C D", which upkeep.lua renews: how many bytes of `raw` may still be kept in quarantine (Q) and in
-- events (E), "-" for any number, and of how many elements (C, D) they were not kept. Such an element is appended with
-- an empty `raw`: nothing is refused for want of room. When the room cannot be read there is enough, and that it cannot
-- be written fails nothing. Of another value, such as an `entry_id` of a megabyte, what is LONG needs room like `raw`,
-- and is cut off without.
local SLICE, LEASE_MOST, LEASE_PART = 128, 60, 64 -- the lease of a window is a part of it, at most so many seconds
local RAW, LONG = 8, 512 -- of the names and values of an element that is no status: its `raw`; bytes of another value

-- How many bytes of an element need room.
local function large(fields)
    local bytes = #fields[RAW]
    for i = 2, #fields, 2 do
        if i ~= RAW and #fields[i] > LONG then bytes = bytes + #fields[i] - LONG end
    end
    return bytes
end

-- Leaves only what needs none; a character is not cut in two.
local function shorten(fields)
    fields[RAW] = ''
    for i = 2, #fields, 2 do
        if #fields[i] > LONG then fields[i] = fields[i]:sub(1, LONG):gsub('[\192-\255]?[\128-\191]*$', '') end
    end
end

local call, try, keys, args = redis.call, redis.pcall, KEYS, ARGV
local unpack, take = unpack, cmsgpack.unpack_limit
local window, lease, repeats, touches, statuses, quarantined, events = cmsgpack.unpack(args[1])
local elements = statuses + quarantined + events
local stream, word = 1, 2
if window > 0 then stream, word = 4, 3 end
local other, streams = statuses > 0 and stream + 1 or stream, #keys
local room, cut, is_used -- of quarantine, of events: bytes that may still be kept, nil = any number; those without
if quarantined + events > 0 then
    streams = streams - 1
    local q, e, c, d = tostring(try('GET', keys[#keys])):match('^(%S+) (%S+) (%d+) (%d+)$')
    room, cut = {tonumber(q), tonumber(e)}, {tonumber(c), tonumber(d)}
end

local is_prepared, failed, behind, places, current = false, nil, 0, {}, nil
local values, digest_at, value_at, left = args[2], 0, 0, 0
local id, status, timestamp, recipient, errors, extra
local phone, display, entry, field, product, object, received_at, request_id

for before = 0, elements - 1, SLICE do
    local size = elements - before
    if size > SLICE then size = SLICE end

    -- Which are new? The lists of digests begin at 2. known: 0 no, 1 yes, 2 if the one before in this call is stored.
    local digests, new, known, here
    if window > 0 then
        digests = {take(args[3], size, digest_at)}
        digest_at, new, here = digests[1], digests, repeats == 1 and {}
        known = call('SMISMEMBER', keys[2], unpack(digests, 2))
        local older = call('SMISMEMBER', keys[3], unpack(digests, 2))
        for i = 1, size do
            local digest = digests[i + 1]
            if older[i] == 1 then
                known[i] = 1
            elseif here and known[i] == 0 then
                if here[digest] then known[i] = 2 end
                here[digest] = true
            end
            if known[i] == 0 then
                if new ~= digests then new[#new + 1] = digest end
            elseif new == digests then
                new = {unpack(digests, 1, i)}
            end
        end
    end

    -- Some are: what can fail fails now. And which is the current set?
    if not is_prepared and not (new and #new == 1) then
        is_prepared = true
        if window > 0 then
            local now, text = tonumber(call('TIME')[1]), call('GET', keys[1]) or ''
            local set, last, span = text:byte() == 49 and 1 or 0, tonumber(text:sub(5, 14)), tonumber(text:sub(16, 22))
            if not (last and span and now <= last and last <= now + 2 * lease and window <= span) then
                local kept = text:byte(3) == 49
                local older, older_span = tonumber(text:sub(24, 33)), tonumber(text:sub(35, 41))
                local function must(...)
                    local reply = not failed and try(...)
                    if type(reply) == 'table' and reply.err then failed = reply end
                end
                if not (last and span and older and older_span) then -- what the sets hold is kept
                    set, kept, last, span, older, older_span = 0, false, now, window, now, window
                    must('SADD', keys[3], '-')
                end
                local latest = math.max(last, older) - now
                if latest > 2 * math.min(LEASE_MOST, math.max(lease, span / LEASE_PART, older_span / LEASE_PART)) then
                    behind = latest - lease
                    last, older = math.min(last, now), math.min(older, now)
                end
                local pause, is_over = now - last, now - older >= math.max(window, older_span)
                local is_long, idle = pause > lease and pause >= window / 4, nil
                if is_long and not kept then
                    kept, older, idle = true, older + pause, is_over and keys[3 - set]
                elseif is_over then
                    set = 1 - set
                    must('UNLINK', keys[2 + set]) -- this a full server does, too
                    kept, older, older_span, span = is_long, is_long and now or last, span, 0
                end
                last, span = math.max(last, now + lease), math.max(span, window)
                must('SET', keys[1], string.format('%d %d %010d %07d %010d %07d',
                    set, kept and 1 or 0, last, span, older, older_span))
                if failed and idle then try('UNLINK', idle) end -- full for so long that it was no jump
            end
            current = keys[2 + set]
            local added = try('SADD', current, '-') -- it is there, and stays when all others go
            if type(added) == 'table' then failed = failed or added end
        end
        for key = stream + 1, streams do
            local refused = try('XADD', keys[key], '0-0', 'f', 'v') -- for its id, if for nothing else
            local kind = try('TYPE', keys[key]).ok or 'stream' -- which may be forbidden
            if not refused.err:find('greater than 0-0', 1, true) then
                failed = failed or refused
            elseif kind ~= 'stream' and kind ~= 'none' then
                failed = failed or redis.error_reply('WRONGTYPE a key of ours is not a stream')
            end
        end
    end

    local appended = 0
    for i = 1, size do
        local place = before + i
        if place > statuses then
            word = word + 1
        else
            local d, s, t, c, e, x
            if left == 0 then
                local p, l, n, f, m, o, r, q
                value_at, left, p, l, n, f, m, o, r, q, d, s, t, c, e, x = take(values, 15, value_at)
                phone, display, entry, field, product = p or phone, l or display, n or entry, f or field, m or product
                object, received_at, request_id = o or object, r or received_at, q or request_id
            else
                value_at, d, s, t, c, e, x = take(values, 6, value_at)
            end
            id, status, timestamp, recipient, errors = d or id, s or status, t or timestamp, c or recipient, e or errors
            if x == true then
                word = word + 1
                extra = args[word]
            else
                extra = x or extra
            end
            left = left - 1
        end
        if known and (known[i] == 1 or known[i] == 2 and here[digests[i + 1]]) then
            places[#places + 1] = place
        else
            local added = failed
            if failed then
            elseif place <= statuses then
                added = try('XADD', keys[stream], '*', 'id', id, 'status', status, 'timestamp', timestamp,
                    'recipient_id', recipient, 'phone_number_id', phone, 'display_phone_number', display,
                    'entry_id', entry, 'field', field, 'messaging_product', product, 'object', object,
                    'errors', errors, 'extra', extra, 'received_at', received_at, 'request_id', request_id)
            else
                local kind, key = 1, other
                if place > statuses + quarantined then kind, key = 2, streams end
                local fields, free = {cmsgpack.unpack(args[word])}, room[kind]
                local bytes = free and large(fields)
                local has_room = not free or bytes <= free
                if not has_room then
                    shorten(fields)
                    bytes = 0
                end
                added = try('XADD', keys[key], '*', unpack(fields))
                if free and not added.err then
                    room[kind], is_used = free - bytes, true
                    if not has_room then cut[kind] = cut[kind] + 1 end
                end
            end
            if added.err then
                failed = added
                places[#places + 1] = -place
                if here then here[digests[i + 1]] = nil end
            else
                appended = appended + 1
            end
        end
    end
    if new and appended > 0 then call('SADD', current, unpack(new, 2, appended + 1)) end
end

-- A write that also a full server does: an expiry in the year 2286, of the set that there is. When nothing was appended it
-- is the only one of this call, and others wait for what they know to be acknowledged.
if touches == 1 and (failed or places[elements]) and call('PEXPIREAT', keys[2], '9999999999999') == 0 then
    call('PEXPIREAT', keys[3], '9999999999999')
end
if is_used then
    try('SET', keys[#keys], string.format('%s %s %.0f %.0f', room[1] or '-', room[2] or '-', cut[1], cut[2]))
end
if behind == 0 and not failed then
    if not places[1] then return 0 end
    if places[elements] then return 1 end
end
places[#places + 1] = failed
return {behind, unpack(places)}
