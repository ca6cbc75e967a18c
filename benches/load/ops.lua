-- Sends the requests of a file, one after another and round and round.
--
--     wrk -t1 -cN -dDs --latency -s ops.lua URL -- FILE KEY
--
-- A line of FILE is a method, a path, and, where every second round must ask for something else, a
-- second path, with tabs between. There must be one thread: the rounds are counted in it.

local rounds = { {}, {} }
local sent

function init(arguments)
  wrk.headers["x-api-key"] = arguments[2]
  for line in io.lines(arguments[1]) do
    local method, path, other = line:match("^(%S+)\t(%S+)\t?(%S*)$")
    if other == "" then
      other = path
    end
    table.insert(rounds[1], wrk.format(method, path))
    table.insert(rounds[2], wrk.format(method, other))
  end
end

function request()
  -- wrk asks for one request before it begins, to look at it, and does not send it.
  if not sent then
    sent = 0
    return rounds[1][1]
  end
  local length = #rounds[1]
  local round = rounds[math.floor(sent / length) % 2 + 1]
  sent = sent + 1
  return round[(sent - 1) % length + 1]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"count":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"bytes":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    summary.bytes, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
