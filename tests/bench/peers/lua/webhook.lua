-- nginx + Lua: decode, one XADD for each status in one pipeline, answer after the replies.
-- With $dedupe a pipeline before it sets a key for each status, and only those whose key is new are appended, as it is
-- usually written. (What fails in between is lost, since a repeat is taken for known then.)
local cjson = require "cjson.safe"
local redis = require "nginx.redis"

local FIELDS = { id = true, status = true, timestamp = true, recipient_id = true, errors = true }

local function text(value)
    if type(value) == "string" then return value end
    if value == nil or value == cjson.null then return "" end
    return tostring(value)
end

local function json_array(list)
    return type(list) == "table" and list[1] and cjson.encode(list) or "[]"
end

local function extra(status)
    local rest
    for name, value in pairs(status) do
        if not FIELDS[name] then
            rest = rest or {}
            rest[name] = value
        end
    end
    return rest and cjson.encode(rest) or "{}"
end

local function set_keys(red, payload)
    red:init_pipeline()
    for _, entry in ipairs(payload.entry) do
        for _, change in ipairs(entry.changes) do
            for _, s in ipairs(change.value.statuses) do
                red:set("seen:" .. text(s.id) .. ":" .. text(s.status), "1", "EX", 86400, "NX")
            end
        end
    end
    return red:commit_pipeline()
end

-- Appends those whose key was set, or all if there are no keys; number is how many came before.
local function append(red, payload, entry, change, now, request_id, keys, number)
    local value = change.value
    local metadata = value.metadata or {}
    for i, s in ipairs(value.statuses) do
        if not keys or keys[number + i] == "OK" then
            red:xadd("whatsapp:statuses", "*", "id", text(s.id), "status", text(s.status),
                "timestamp", text(s.timestamp), "recipient_id", text(s.recipient_id),
                "phone_number_id", text(metadata.phone_number_id),
                "display_phone_number", text(metadata.display_phone_number),
                "entry_id", text(entry.id), "field", text(change.field),
                "messaging_product", text(value.messaging_product), "object", text(payload.object),
                "errors", json_array(s.errors), "extra", extra(s),
                "received_at", now, "request_id", request_id)
        end
    end
    return #value.statuses
end

local function failed(replies)
    for _, reply in ipairs(replies) do
        if type(reply) == "table" then return true end
    end
end

local function post()
    ngx.req.read_body()
    local payload = cjson.decode(ngx.req.get_body_data())
    if not payload then return ngx.exit(400) end
    local now, request_id = string.format("%d", ngx.now() * 1000), ngx.var.request_id
    local red, count = redis:new(), 0
    red:set_timeout(10000)
    if not red:connect(ngx.var.redis) then return ngx.exit(503) end
    local keys
    if ngx.var.dedupe == "1" then
        keys = set_keys(red, payload)
        if not keys or failed(keys) then return ngx.exit(503) end
    end
    red:init_pipeline()
    for _, entry in ipairs(payload.entry) do
        for _, change in ipairs(entry.changes) do
            count = count + append(red, payload, entry, change, now, request_id, keys, count)
        end
    end
    local replies = red:commit_pipeline()
    if not replies or failed(replies) then return ngx.exit(503) end
    red:set_keepalive(60000, 64)
    ngx.print('{"accepted":', #replies, ',"duplicates":', count - #replies, ',"quarantined":0,"ignored":0}')
end

return { post = post }
