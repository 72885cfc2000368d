-- wrk's part: sends the requests of a file, each once, made beforehand so that the load costs as little as it can.
--
--   wrk ... -s load.lua URL -- FILE SIZE        every request in FILE is SIZE bytes
--
-- The last line of the output is a JSON object with what happened.

local requests = {}
local used = 0
local worker -- in wrk's own state, where setup() and done() run; the rest runs in the worker's

function setup(thread)
	worker = thread
end

function init(arguments)
	local file = assert(io.open(arguments[1], "rb"))
	local size = tonumber(arguments[2])

	while true do
		local request = file:read(size)
		if not request then
			break
		end
		requests[#requests + 1] = request
	end
	file:close()
	-- From here on nothing is allocated.
	collectgarbage("collect")
	collectgarbage("stop")
	cpu_started = os.clock() -- global, so that done() can ask for it
end

function request()
	used = used % #requests + 1
	return requests[used]
end

function done(summary, latency)
	local errors = summary.errors

	io.write(string.format('{"requests":%d,"microseconds":%d,"refused":%d,"errors":%d,"p50_us":%d,"p99_us":%d,"cpu":%.3f}\n',
		summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
		latency:percentile(50), latency:percentile(99), os.clock() - worker:get("cpu_started")))
end
