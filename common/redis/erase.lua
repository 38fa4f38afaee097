-- Finds entries of a stream that name a number of a person, and removes them.
--
-- KEYS  the stream, which may be missing
-- ARGV  1  the number: digits
--       2  1: the stream is of statuses, and it is looked for in recipient_id, extra and errors; 0: in every value
--       3  where to begin: '-', or what the last call has returned
--       4  1: they are removed, and acknowledged in every group, so that nothing is pending for them; 0: a dry run
--
-- Returns a list: where to go on, '' at the end; how many entries were looked at; how many of them name it.
--
-- A value names the number where these digits stand, and no other digit beside them. In forms %20 and %2B may stand
-- before it, and in texts that nobody could read, as UTF-16, a NUL between its digits. Each call looks at MOST entries
-- and at about BYTES of them, so that it takes a few milliseconds. Of statuses many are read at a time; others one by
-- one, since behind small ones each may have megabytes.
local MOST, BYTES, STRING = 1000, 262144, 32 -- STRING: bytes that each costs besides its own
local key, number, of_statuses, from = KEYS[1], ARGV[1], ARGV[2] == '1', ARGV[3]
local AT_ONCE = of_statuses and 128 or 1
local looked_into = {recipient_id = true, extra = true, errors = true}

local function is_digit(byte)
    return byte and byte >= 48 and byte <= 57
end

local function stands_in(text)
    local at = 1
    while at do
        local first, last = text:find(number, at, true)
        if not first then return false end
        if not is_digit(text:byte(last + 1)) then
            if not is_digit(text:byte(first - 1)) or text:find('^%%%x%x', math.max(first - 3, 1)) then return true end
        end
        at = text:find('%D', last + 1)
    end
    return false
end

local function names(text)
    return stands_in(text) or text:find('%z') and stands_in((text:gsub('%z', '')))
end

-- A number that is written with blanks, dashes or brackets.
local function is_written_so(text)
    return #text < 64 and not text:find('%a') and text:gsub('%D', '') == number
end

local function is_of_them(fields)
    for i = 1, #fields, 2 do
        local name, value = fields[i], fields[i + 1]
        if not of_statuses or looked_into[name] then
            if names(value) or name == 'recipient_id' and is_written_so(value) then return true end
        end
    end
    return false
end

local looked, bytes, size, found = 0, 0, 1, {}
while looked < MOST and bytes < BYTES do
    local entries = redis.call('XRANGE', key, from, '+', 'COUNT', size)
    for _, entry in ipairs(entries) do
        for _, text in ipairs(entry[2]) do bytes = bytes + #text + STRING end
        if is_of_them(entry[2]) then found[#found + 1] = entry[1] end
    end
    looked = looked + #entries
    if #entries < size then
        from = ''
        break
    end
    from = '(' .. entries[size][1]
    size = math.max(1, math.min(AT_ONCE, MOST - looked, math.floor((BYTES - bytes) * looked / bytes)))
end

if #found > 0 and ARGV[4] == '1' then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
        for i = 1, #group, 2 do
            if group[i] == 'name' then redis.call('XACK', key, group[i + 1], unpack(found)) end
        end
    end
    redis.call('XDEL', key, unpack(found))
end
return {from, looked, #found}
