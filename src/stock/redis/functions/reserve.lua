-- The purchase decision: step 7 of the way of a purchase, for a whole batch.

local function order_text(id, record)
	local state, flags, _, hold, first, lot, quantity = unpack_bin('<BBHi8i8HH', record)
	return id .. pack('<BBi8i8HH', state, flags, hold, first, lot, quantity)
end

-- The times in a window's text that still count: it is sorted, eight bytes each.
local function window_prune(text, after)
	local from = 1
	while from < #text and unpack_bin('<i8', text, from) <= after do
		from = from + 8
	end
	return from > 1 and sub(text, from) or text
end

local function windows_of(sale, buyers)
	local windows = {}
	if sale.rate_requests == 0 then
		return windows
	end
	local bucket = floor(sale.now / sale.rate_ms)
	local after = sale.now - sale.rate_ms
	sale.rate_key = rate_key(sale, bucket)
	buyers[2] = sale.rate_key
	local current = call(unpack(buyers))
	buyers[2] = rate_key(sale, bucket - 1)
	local former = call(unpack(buyers))
	for i = 1, #current do
		windows[buyers[i + 2]] = window_prune(current[i] or former[i] or '', after)
	end
	return windows
end

-- The first write of a window: what no window needs any more goes. (A key's own end is for what nobody comes back to.)
local function window_turn(sale)
	local clock, bucket = sale.clock, floor(sale.now / sale.rate_ms)
	local former = clock.bucket
	if former == bucket then
		return
	end
	clock.bucket = bucket
	call('PEXPIRE', sale.rate_key, 2 * sale.rate_ms + RATE_KEPT_MS)
	for number = former and former - 1 or bucket, bucket - 2 do
		if number > former then
			break
		end
		call('UNLINK', rate_key(sale, number))
	end
end

-- What an earlier order of this request is answered with.
local function replay(id, record, buyer, lot, quantity, left)
	local _, _, _, _, _, its_lot, its_quantity, owner = unpack_bin(RECORD, record)
	if owner ~= buyer or its_lot ~= lot or its_quantity ~= quantity then
		return pack('<BB', KEY_CONFLICT, left)
	end
	return pack('<BB', REPLAY, left) .. order_text(id, record)
end

-- The live orders of a buyer who has had as many as it may: those that the journal has, newest first. (What this batch has granted it has not.)
local function live_orders(key, field)
	local records, ids = newest_records(key, field and sub(field, NEWEST) or '')
	local out = {}
	for i = 3, #ids do
		local state, flags = unpack_bin('<BB', records[ids[i]] or '\0\0')
		if (state == HELD or state == CONFIRMED) and has(flags, DURABLE) then
			out[#out + 1] = ids[i]
		end
	end
	return pack('B', #out) .. concat(out)
end

-- Writes what a batch has granted and counted. False, and nothing is written, where the list of names is full.
local function reserve_write(sale, granted, windows)
	local key = sale.key
	if #granted.names > 0 then
		granted.names[#granted.names + 1] = ''
		local text = concat(granted.names, '\n')
		if call('STRLEN', key .. ':n') + #text > NAMES_MAX then
			return false
		end
		call('APPEND', key .. ':n', text)
	end
	write(granted.orders)
	write(granted.keys)
	write(granted.outbox)
	local buyers, asked = {'HSET', key .. ':b'}, {'HSET', sale.rate_key}
	local at = 3
	for buyer, value in pairs(granted.buyers) do
		buyers[at] = buyer
		buyers[at + 1] = buyer_text(value, granted.newest[buyer])
		at = at + 2
	end
	write(buyers)
	at = 3
	for buyer in pairs(granted.asked) do
		asked[at] = buyer
		asked[at + 1] = windows[buyer]
		at = at + 2
	end
	if #asked > 2 then
		call(unpack(asked))
		window_turn(sale)
	end
	return true
end

local function reserve(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local key, now, limit, rate = sale.key, sale.now, sale.limit, sale.rate_requests
	local q_orders, q_keys, q_buyers = {'HMGET', key .. ':o'}, {'HMGET', key .. ':k'}, {'HMGET', key .. ':b'}
	local items, names = {}, {}
	for i = 2, #args do
		local id, flags, hold, lot, quantity, buyer, _, idem = unpack_bin('<c16BIHHBc0i8Bc0', args[i])
		names[i] = idem ~= '' and buyer .. ' ' .. idem or ''
		items[i] = {id, flags, hold, lot, quantity, buyer}
		q_orders[i + 1], q_keys[i + 1], q_buyers[i + 1] = id, names[i], buyer
	end
	local orders, keyed, known = call(unpack(q_orders)), call(unpack(q_keys)), call(unpack(q_buyers))
	local windows = windows_of(sale, q_buyers)
	local outbox = call('ZCARD', key .. ':x')
	local fresh, fresh_keys, buyers = {}, {}, {}
	local granted = {orders = {'HSET', key .. ':o'}, keys = {'HSET', key .. ':k'}, outbox = {'ZADD', key .. ':x'}, buyers = buyers,
		names = {}, asked = {}, newest = {}}
	local out, sold_out, counts = {}, false, not has(sale.broken, FORGET_BUYER)
	local grants, keys_size, stamped, unstamped = 0, 2, pack('<i8', now), pack('<i8', 0)
	local stopped = call('HGET', key .. ':z', 'stopped') == '1'
	for i = 2, #args do
		local id, flags, hold, lot, quantity, buyer = unpack(items[i])
		local window = windows[buyer]
		local left = window and rate - #window / 8 or 0
		local name = names[i]
		local record = orders[i - 1] or fresh[id]
		local earlier = name ~= '' and (keyed[i - 1] or fresh_keys[name])
		local answer
		if record then
			answer = replay(id, record, buyer, lot, quantity, left)
		elseif earlier then
			answer = replay(earlier, fresh[earlier] or call('HGET', key .. ':o', earlier), buyer, lot, quantity, left)
		elseif flags % 2 == REPLAY_ONLY then
			answer = pack('<BB', NO_REPLAY, left)
		elseif stopped and flags < UNLIMITED then
			answer = pack('<BB', PAUSED, left)
		elseif window and left <= 0 and flags < UNLIMITED then
			answer = pack('<BBI', RATE_LIMITED, 0, unpack_bin('<i8', window) + sale.rate_ms - now)
		else
			local field = known[i - 1]
			local value = buyers[buyer] or field and unpack_bin('<I', field)
			local live = value and value % 10000 or 0
			local units = lot < sale.lot_count and lot_of(sale, lot)
			if live + quantity > limit then
				answer = pack('<BB', BUYER_LIMIT, left) .. live_orders(key, field)
			elseif not units or units.available < quantity then
				sold_out = true
				answer = pack('<BBIB', SOLD_OUT, left, units and units.version or 0, units and units.held > 0 and 1 or 0)
			elseif outbox >= sale.outbox_max then
				answer = pack('<BB', FULL, left)
			else
				local state = hold > 0 and HELD or CONFIRMED
				local deadline = hold > 0 and now + hold or 0
				outbox = outbox + 1
				units.available = units.available - quantity
				if hold > 0 then
					units.held = units.held + quantity
				else
					units.confirmed = units.confirmed + quantity
				end
				units.changed = true
				local stamp = unstamped
				if window and flags < UNLIMITED then
					stamp = stamped
					windows[buyer] = window .. stamp
					granted.asked[buyer] = true
					left = left - 1
				end
				buyers[buyer] = (value or 0) + 10000 + (counts and quantity or 0)
				local newest = granted.newest[buyer] or field and sub(field, NEWEST)
				granted.newest[buyer] = newest and id .. newest or id
				record = pack(RECORD_HEAD, state, counts and COUNTED or 0, live + quantity, deadline, deadline) .. sub(args[i], 22) ..
					stamp
				fresh[id] = record
				local at = 2 * grants + 3 -- behind a command and its key
				grants = grants + 1
				local list = granted.orders
				list[at] = id
				list[at + 1] = record
				list = granted.outbox
				list[at] = now
				list[at + 1] = id
				if name ~= '' then
					fresh_keys[name] = id
					list = granted.keys
					list[keys_size + 1] = name
					list[keys_size + 2] = id
					keys_size = keys_size + 2
				end
				if not value then
					granted.names[#granted.names + 1] = buyer
				end
				answer = pack('<BBBHi8', 0, left, state, live + quantity, deadline)
			end
		end
		out[i - 1] = answer
	end
	if not reserve_write(sale, granted, windows) then
		return pack('<BI', FULL, sale.epoch)
	end
	local head = finish(sale)
	return head .. (sold_out and '\1' .. names_since(sale, sale.names_from) or '\0') .. concat(out)
end
