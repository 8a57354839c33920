-- For wrk: sends the bodies in the file REQUESTS (one per line) in turn, and prints the result as JSON.
-- All requests are created before the first is sent.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init()
    requests = {}
    local headers = { ["content-type"] = "application/json", ["accept"] = "application/json" }
    for line in io.lines(os.getenv("REQUESTS")) do
        requests[#requests + 1] = wrk.format("POST", nil, headers, line)
    end
    -- The threads start at distant requests.
    position = math.floor(#requests / 2) * number
end

function request()
    position = position % #requests + 1
    return requests[position]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\nRESULT {"requests":%d,"microseconds":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
        summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout
    ))
end
