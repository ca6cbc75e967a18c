-- Sends the requests of a file, one after another and round and round.
--
--     wrk -t1 -cN -dDs --latency -s ops.lua URL -- FILE KEY FIRST
--
-- A line of FILE is a method, a path, and, where every second round must ask for something else, a
-- second path; then, where there is one, a body; with tabs between. NUMBER in a body is the number of
-- the request in seven digits, counted from FIRST, so that no two are alike. There must be one thread:
-- the requests are counted in it.

local rounds = { {}, {} }
local sent
local first

-- The same of every request, or what makes each.
local function prepare(method, path, body)
  if body == "" then
    return wrk.format(method, path)
  end
  local headers = { ["x-api-key"] = wrk.headers["x-api-key"], ["content-type"] = "application/json" }
  if not body:find("NUMBER") then
    return wrk.format(method, path, headers, body)
  end
  return function()
    return wrk.format(method, path, headers, (body:gsub("NUMBER", string.format("%07d", first + sent))))
  end
end

function init(arguments)
  wrk.headers["x-api-key"] = arguments[2]
  first = tonumber(arguments[3])
  for line in io.lines(arguments[1]) do
    local method, path, other, body = line:match("^(%S+)\t(%S+)\t?(%S*)\t?(.*)$")
    if other == "" then
      other = path
    end
    table.insert(rounds[1], prepare(method, path, body))
    table.insert(rounds[2], prepare(method, other, body))
  end
end

function request()
  -- wrk asks for one request before it begins, to look at it, and does not send it.
  if not sent then
    sent = 0
    return wrk.format("GET", "/healthz")
  end
  local length = #rounds[1]
  local round = rounds[math.floor(sent / length) % 2 + 1]
  local operation = round[sent % length + 1]
  if type(operation) == "function" then
    operation = operation()
  end
  sent = sent + 1
  return operation
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"count":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"bytes":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    summary.bytes, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
