-- Sends the prepared requests of a file in turn, each thread its own share of them, so that no id comes
-- twice as long as they last.  Arguments: file, bytes of each request, threads.
-- The file is read while it is sent.  wrk starts its clock when the last thread is ready, but the first one sends
-- as soon as it is: what init takes, the earlier threads send for nothing.  And LuaJIT keeps every string in a table
-- by a hash of some of its bytes, so that holding many that hardly differ takes time by the square of their number.
local threads = {}

function setup(thread)
    thread:set("number", #threads)
    threads[#threads + 1] = thread
end

function init(args)
    file, size = assert(io.open(args[1], "rb")), tonumber(args[2])
    share, sent = math.floor(file:seek("end") / size / tonumber(args[3])), 0
    if share == 0 then share, number = 1, 0 end
    first = number * share * size
end

function request()
    if sent % share == 0 then file:seek("set", first) end
    sent = sent + 1
    return file:read(size)
end

function done(summary, latency)
    local e, repeated = summary.errors, 0
    for _, thread in ipairs(threads) do
        repeated = repeated + math.max(thread:get("sent") - thread:get("share"), 0)
    end
    io.write(string.format(
        '\n{"requests": %d, "seconds": %.6f, "repeated": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n',
        summary.requests, summary.duration / 1e6, repeated, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
