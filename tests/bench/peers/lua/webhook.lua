-- nginx + Lua: decode, one XADD for each status in one pipeline, answer after the replies.
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

local function append(red, payload, entry, change, now, request_id)
    local value = change.value
    local metadata = value.metadata or {}
    for _, s in ipairs(value.statuses) do
        red:xadd("whatsapp:statuses", "*", "id", text(s.id), "status", text(s.status),
            "timestamp", text(s.timestamp), "recipient_id", text(s.recipient_id),
            "phone_number_id", text(metadata.phone_number_id),
            "display_phone_number", text(metadata.display_phone_number),
            "entry_id", text(entry.id), "field", text(change.field),
            "messaging_product", text(value.messaging_product), "object", text(payload.object),
            "errors", json_array(s.errors), "extra", extra(s),
            "received_at", now, "request_id", request_id)
    end
    return #value.statuses
end

local function post()
    ngx.req.read_body()
    local payload = cjson.decode(ngx.req.get_body_data())
    if not payload then return ngx.exit(400) end
    local now, request_id = string.format("%d", ngx.now() * 1000), ngx.var.request_id
    local red, count = redis:new(), 0
    red:set_timeout(10000)
    if not red:connect(ngx.var.redis) then return ngx.exit(503) end
    red:init_pipeline()
    for _, entry in ipairs(payload.entry) do
        for _, change in ipairs(entry.changes) do
            count = count + append(red, payload, entry, change, now, request_id)
        end
    end
    local replies = red:commit_pipeline()
    if not replies then return ngx.exit(503) end
    for _, reply in ipairs(replies) do
        if type(reply) == "table" then return ngx.exit(503) end
    end
    red:set_keepalive(60000, 64)
    ngx.print('{"accepted":', count, ',"duplicates":0,"quarantined":0,"ignored":0}')
end

return { post = post }
