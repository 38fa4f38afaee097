-- Removes what nobody needs any more from the streams of one partition, and tells how full they are.
--
-- KEYS  the stream, the lease, the quarantine, the events, the dead, the room, the two sets of dedupe; any of them may
--       be missing
-- ARGV  1  who asks
--       2  for how long the lease is then theirs; this and all other times are in milliseconds
--       3  TRIM_KEEP: what is younger stays in the stream; -1: all stays
--       4  TRIM_DEAD_GROUP: a group that has not moved for so long holds nothing any more; 0: each holds for ever
--       5  how many entries to remove at most, from all streams together
--       6  QUARANTINE_KEEP, of the dead too, 7 EVENTS_KEEP: what is older goes, whatever groups there are; 0: all stays
--       8  1: a dry run, which writes nothing, and needs no lease
--       9  QUARANTINE_MAX, 10 EVENTS_MAX: bytes, or a part of maxmemory as "10%", for all partitions of this server; 0:
--          no matter how many
--      11  how many partitions this server has
--       …  the groups that must exist, else all stays in the stream
--
-- Returns {0}: the lease is somebody else's. Else a list:
--       1  1
--       2  how many entries were removed from the stream, 3 the quarantine, 4 the events, 5 the dead. By a dry run: how
--          many would be, as far as it looked
--       6  1: there is more to remove
--       7  the length of the stream, 8 the quarantine, 9 the events, 10 the dead; 11-14 their bytes. -1 is not known: the
--          key is no stream, or may not be asked for
--      15  how many elements of quarantine, 16 events were kept without their bytes since it was told before
--      17  bytes of memory that the server uses, 18 that it may use, or 0: as many as there are; -1: not known
--      19  how many digests dedupe remembers, or -1
--      20  the version of the server, or ''
--      21  id of the stream's oldest entry or ''
--      22  why entries stay that might go, or '': 'no group', 'no group NAME', or what Redis has against it
--      23  how many groups there are
--       …  of each, but of LISTED at most, a list: its name; entries pending; lag, or -1 when Redis does not know;
--          the id of the oldest pending entry or ''; last-delivered-id; consumers; 0 it moves, 1 it has not moved for
--          more than half of TRIM_DEAD_GROUP, 2 it is dead; 1: of all groups this one holds the stream
--
-- The room says how many bytes of bodies publish.lua may still keep, "Q E C D": in quarantine, in events, "-" for any
-- number, and how many it had to keep without since then. It is counted anew with each call, from what there is.
--
-- A group still needs its pending entries and all after its last-delivered-id. What goes from the stream is older than
-- TRIM_KEEP and comes before the oldest pending entry and the last-delivered-id of every group; the entry with that id
-- stays. A group has moved when a consumer has asked for something, or when its last-delivered-id is younger; one
-- without consumers, for as long as no entry that waits for it is older. One that needs nothing is not waited for.
--
-- Whole nodes of the stream go first, which costs next to nothing for an entry. Of the node in which the limit lies,
-- and of nodes with more entries than may be removed, entries are read to find up to where to remove, and no more than
-- READ_MOST bytes: how large entries are, and how nodes are made up, does not make a call long. To free memory takes
-- time, too: of entries that hold whole bodies fewer are removed. Only in nodes of many thousands of entries Redis
-- itself, with each command, walks over those that were removed.
local READ_MOST, DRY_READ_MOST, STRING = 65536, 1048576, 32 -- bytes; STRING is what each costs besides its own
local FREED_MOST, FRONT = 8388608, 16 -- of quarantine and events: bytes; by what so many of the oldest nodes hold
local SAMPLES, ALIKE = 10000, 64 -- nodes whose size is looked at, the oldest; the others are taken to be like them, as
-- statuses are
local LISTED, COUNT_MOST = 32, 2 ^ 53

local call, try = redis.call, redis.pcall
local stream, lease, quarantine, events, dead_letters, room = unpack(KEYS)
local owner, is_dry = ARGV[1], ARGV[8] == '1'
local keep, dead, budget = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local why, more = '', 0

local function is_refused(reply)
    return type(reply) == 'table' and reply.err ~= nil
end

-- That entries stay for this reason, if there was none before.
local function stays(reason)
    if why == '' then why = reason end
end

local function number(reply)
    return type(reply) == 'number' and reply or -1
end

-- A list of names and values as a table.
local function named(list)
    local values = {}
    for i = 1, #list, 2 do values[list[i]] = list[i + 1] end
    return values
end

-- Milliseconds and sequence go up to 2^64 - 1, which is more than a number holds.
local function sortable(id)
    local ms, sequence = id:match('^(%d+)%-(%d+)$')
    return ('0'):rep(20 - #ms) .. ms .. ('0'):rep(20 - #sequence) .. sequence
end

local function is_before(a, b)
    return sortable(a) < sortable(b)
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function age(id)
    return now - tonumber(id:match('^%d+'))
end

-- The first id that is not older.
local function limit(milliseconds)
    return string.format('%.0f-0', math.max(now - milliseconds, 0))
end

-- Finds up to which id, at most `before`, to remove so many entries or fewer. Returns it and how many are before it.
local function find_end(key, before, most)
    local from, found, bytes, last = '-', 0, 0, nil
    local size, enough = 2, is_dry and DRY_READ_MOST or READ_MOST
    while found <= most and bytes < enough do
        size = math.min(size, most + 1 - found)
        local entries = try('XRANGE', key, from, '(' .. before, 'COUNT', size)
        if is_refused(entries) then
            stays(entries.err)
            return before, 0
        end
        for _, entry in ipairs(entries) do
            for _, text in ipairs(entry[2]) do bytes = bytes + #text + STRING end
        end
        found = found + #entries
        if #entries < size then return before, found end
        last = entries[size][1]
        from, size = '(' .. last, math.min(4 * size, 128)
    end
    return last, found - 1
end

local function trim(key, ...)
    local removed = try('XTRIM', key, 'MINID', ...)
    if is_refused(removed) then
        stays(removed.err)
        return 0
    end
    return removed
end

-- Removes what is before the id, so many entries at most and as far as the budget goes; returns how many.
local function remove(key, before, most)
    local removed, found, upto = 0, nil, before
    most = math.min(most, budget)
    if most > 0 and not is_dry then
        removed = trim(key, '~', before, 'LIMIT', most)
    end
    if removed == 0 and most > 0 then
        upto, found = find_end(key, before, most)
        removed = is_dry and found or found > 0 and trim(key, '=', upto) or 0
    else
        local entries = try('XRANGE', key, '-', '(' .. before, 'COUNT', 1)
        if entries[1] then upto = '' end
    end
    budget = budget - removed
    if upto ~= before and (removed > 0 or most == 0) then more = 1 end
    return removed
end

-- Of a stream with which groups have nothing to do; returns also its length.
local function remove_old(key, milliseconds)
    local length = number(try('XLEN', key))
    if length <= 0 or milliseconds == 0 then return 0, length end
    local size = number(try('MEMORY', 'USAGE', key, 'SAMPLES', FRONT)) / length
    local most = size > 0 and math.max(1, math.floor(FREED_MOST / size)) or budget
    local removed = remove(key, limit(milliseconds), most)
    return removed, is_dry and length or length - removed
end

-- For how long a group has not moved.
local function idle_time(name, group, last)
    local delivered = group['last-delivered-id']
    local idle = age(delivered)
    if dead == 0 or idle < dead / 2 or group.pending == 0 and not is_before(delivered, last) then return 0 end
    if group.consumers == 0 then
        local waiting = try('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1)
        return waiting[1] and age(waiting[1][1]) or 0
    end
    local consumers = try('XINFO', 'CONSUMERS', stream, name)
    if is_refused(consumers) then return 0 end
    for _, consumer in ipairs(consumers) do idle = math.min(idle, named(consumer).idle) end
    return idle
end

-- What there is to tell of a group, and from which id on it needs the stream.
local function describe(group, last)
    group = named(group)
    local name, position, oldest = group.name, group['last-delivered-id'], ''
    if group.pending > 0 then
        local pending = try('XPENDING', stream, name, '-', '+', 1)
        if is_refused(pending) then
            stays(pending.err)
        elseif pending[1] then
            oldest = pending[1][1]
            if is_before(oldest, position) then position = oldest end
        end
    end
    local idle, state = idle_time(name, group, last), 0
    if dead > 0 and idle >= dead then
        state = 2
    elseif idle > dead / 2 then
        state = 1
    end
    local told = {name, group.pending, group.lag or -1, oldest, group['last-delivered-id'], group.consumers, state, 0}
    return told, position
end

if not is_dry then
    local holder = try('GET', lease)
    if type(holder) == 'string' and holder ~= owner then return {0} end
    -- A full server refuses it. Then all go on who ask, since what is removed is what helps.
    if not is_refused(holder) and is_refused(try('SET', lease, owner, 'PX', ARGV[2])) then
        try('PEXPIRE', lease, ARGV[2])
    end
end

local info, groups, length = try('XINFO', 'STREAM', stream), {}, 0
if not is_refused(info) then
    info = named(info)
    length, groups = info.length, try('XINFO', 'GROUPS', stream)
elseif not info.err:find('no such key', 1, true) then
    length = -1
    stays(info.err)
end
if is_refused(groups) then
    stays(groups.err)
    groups = {}
end

local safe, listed, exists, holder = limit(math.max(keep, 0)), {}, {}, nil
for i = 1, #groups do
    local group, position = describe(groups[i], info['last-generated-id'])
    exists[group[1]] = true
    if i <= LISTED then listed[i] = group end
    if group[7] < 2 and is_before(position, safe) then
        safe, holder = position, group
    end
end
if holder and (holder[2] > 0 or is_before(safe, info['last-generated-id'])) then
    holder[8] = 1
    if #groups > LISTED then
        local is_listed = false
        for _, group in ipairs(listed) do is_listed = is_listed or group == holder end
        if not is_listed then listed[LISTED] = holder end
    end
end
if keep >= 0 then
    for i = 12, #ARGV do
        if not exists[ARGV[i]] then stays('no group ' .. ARGV[i]) end
    end
    if #groups == 0 then stays('no group') end
end

local removed, oldest = 0, ''
if length > 0 then
    oldest = info['first-entry'][1]
    if keep >= 0 and why == '' and is_before(oldest, safe) then
        removed = remove(stream, safe, budget)
        if removed > 0 and not is_dry then
            length = length - removed
            local first = try('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
            oldest = first and first[1] or ''
        end
    end
end
local unquarantined, quarantined = remove_old(quarantine, tonumber(ARGV[6]))
local forgotten, kept = remove_old(events, tonumber(ARGV[7]))
local buried, given_up = remove_old(dead_letters, tonumber(ARGV[6]))

local function bytes_of(key, length, samples)
    return length < 0 and -1 or number(try('MEMORY', 'USAGE', key, 'SAMPLES', samples) or 0)
end

local bytes, bytes_buried = bytes_of(stream, length, ALIKE), bytes_of(dead_letters, given_up, SAMPLES)
local bytes_unread, bytes_told = bytes_of(quarantine, quarantined, SAMPLES), bytes_of(events, kept, SAMPLES)

local memory = try('INFO', 'memory')
local function memory_of(name)
    return not is_refused(memory) and tonumber(memory:match('\n' .. name .. ':(%d+)')) or -1
end
local used, most = memory_of('used_memory'), memory_of('maxmemory')

-- How many bytes may still be kept, of so many at most, when there are so many; '-': any number.
local function room_of(limit, there)
    local percent = tonumber(limit:match('^(%d+)%%$'))
    local allowed = percent and math.max(most, 0) * percent / 100 or tonumber(limit) or 0
    if allowed <= 0 or there < 0 then return '-' end
    return string.format('%.0f', math.max(0, math.floor(allowed / tonumber(ARGV[11])) - there))
end

-- Returns of how many elements and events the bytes were not kept.
local function renew_room()
    local before = try('GET', room)
    local cut, cut_events = tostring(before):match('^%S+ %S+ (%d+) (%d+)$')
    local after = room_of(ARGV[9], bytes_unread) .. ' ' .. room_of(ARGV[10], bytes_told) .. ' 0 0'
    local is_written = is_dry or not is_refused(try('SET', room, after))
    if not is_written then return 0, 0 end -- they stay counted there
    -- Whoever may write the key may write any number there: more than this is not told.
    return math.min(tonumber(cut) or 0, COUNT_MOST), math.min(tonumber(cut_events) or 0, COUNT_MOST)
end
local cut, cut_events = renew_room()

local function digests_of(key) -- a set that is in use has one member that is none
    local members = number(try('SCARD', key))
    return members > 0 and members - 1 or members
end
local current, older = digests_of(KEYS[7]), digests_of(KEYS[8])
local digests = math.min(current, older) < 0 and -1 or current + older

return {1, removed, unquarantined, forgotten, buried, more, length, quarantined, kept, given_up, bytes,
    bytes_unread, bytes_told, bytes_buried, cut, cut_events, used, most, digests, redis.REDIS_VERSION or '', oldest,
    why, #groups, unpack(listed)}
