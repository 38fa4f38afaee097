-- Removes consumers of all groups of a stream that have asked for nothing for long, and that nothing is pending on.
--
-- KEYS  the stream, which may be missing
-- ARGV  1  for how many milliseconds they have not asked
--       2  1: a dry run, which removes nothing
--
-- Returns a list: 1: there are more, else 0; how many stay because something is pending on them; then of each that was
-- removed, or would be, but of MOST at most, a list: the name of its group, its own, the milliseconds.
local MOST = 1000
local stream, long, is_dry = KEYS[1], tonumber(ARGV[1]), ARGV[2] == '1'

-- A list of names and values as a table.
local function named(list)
    local values = {}
    for i = 1, #list, 2 do values[list[i]] = list[i + 1] end
    return values
end

local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then
    return groups.err:find('no such key', 1, true) and {0, 0} or groups
end
local reply = {0, 0}
for _, group in ipairs(groups) do
    local name = named(group).name
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, name)) do
        consumer = named(consumer)
        if consumer.idle >= long then
            if consumer.pending > 0 then
                reply[2] = reply[2] + 1
            elseif #reply - 2 == MOST then
                reply[1] = 1
            else
                if not is_dry then redis.call('XGROUP', 'DELCONSUMER', stream, name, consumer.name) end
                reply[#reply + 1] = {name, consumer.name, consumer.idle}
            end
        end
    end
end
return reply
