-- Sends the prepared requests of a file in turn, each thread its own share of them, so that no id comes
-- twice as long as they last.  Arguments: file, bytes of each request, threads.
local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(args)
    local file, size, of = assert(io.open(args[1], "rb")), tonumber(args[2]), tonumber(args[3])
    requests, turn = {}, 0
    local share = math.floor(file:seek("end") / size / of)
    if share == 0 then share, number = 1, 0 end
    file:seek("set", number * share * size)
    for i = 1, share do requests[i] = file:read(size) end
    file:close()
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format('\n{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n',
        summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
