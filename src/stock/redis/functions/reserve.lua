-- The purchase decision: step 7 of the way of a purchase, for a whole batch.

local function order_text(id, record)
	local state, flags, _, hold, first, lot, quantity = unpack_bin('<BBHi8i8HH', record)
	return id .. pack('<BBi8i8HH', state, flags, hold, first, lot, quantity)
end

-- The times of a buyer's grants that still count.
local function times_prune(buyer, after)
	local times, from = buyer.times, 1
	while from < #times and unpack_bin('<i8', times, from) <= after do
		from = from + 8
	end
	if from > 1 then
		buyer.times = sub(times, from)
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
local function live_orders(key, buyer)
	local records, ids = newest_records(key, buyer)
	local out = {}
	for i = 3, #ids do
		local state, flags = unpack_bin('<BB', records[ids[i]] or '\0\0')
		if (state == HELD or state == CONFIRMED) and has(flags, DURABLE) then
			out[#out + 1] = ids[i]
		end
	end
	return pack('B', #out) .. concat(out)
end

-- The order that this request was given earlier: its id, or nil. `granted`: what this batch has not written yet.
local function earlier_order(sale, buyer, name, id, key, granted)
	local earlier, others = newest_find(buyer, id, key)
	if earlier or not others then
		return earlier
	end
	if granted.records[id] or call('HGET', sale.key .. ':o', id) then
		return id
	end
	if key == '' then
		return nil
	end
	local spilled = name .. ' ' .. key
	for at = 3, #granted.keys, 2 do
		if granted.keys[at] == spilled then
			return granted.keys[at + 1]
		end
	end
	return call('HGET', sale.key .. ':k', spilled)
end

-- Writes what a batch has granted. False, and nothing is written, where the list of names is full.
local function reserve_write(sale, granted)
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
	local buyers, at = {'HSET', key .. ':b'}, 3
	for name, buyer in pairs(granted.buyers) do
		buyers[at] = name
		buyers[at + 1] = buyer_text(buyer)
		at = at + 2
	end
	write(buyers)
	return true
end

local function reserve(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local key, now, limit, rate = sale.key, sale.now, sale.limit, sale.rate_requests
	local q_buyers, items = {'HMGET', key .. ':b'}, {}
	for i = 2, #args do
		local id, flags, hold, lot, quantity, name, _, idem = unpack_bin('<c16BIHHBc0i8Bc0', args[i])
		items[i] = {id, flags, hold, lot, quantity, name, idem}
		q_buyers[i + 1] = name
	end
	local known = call(unpack(q_buyers))
	local outbox = call('ZCARD', key .. ':x')
	local buyers, times_after = {}, now - sale.rate_ms
	local granted = {orders = {'HSET', key .. ':o'}, keys = {'HSET', key .. ':k'}, outbox = {'ZADD', key .. ':x'}, buyers = {}, names = {},
		records = {}}
	local out, sold_out, counts = {}, false, not has(sale.broken, FORGET_BUYER)
	local grants, stamped, unstamped = 0, pack('<i8', now), pack('<i8', 0)
	local stopped = call('HGET', key .. ':z', 'stopped') == '1'
	for i = 2, #args do
		local id, flags, hold, lot, quantity, name, idem = unpack(items[i])
		local buyer = buyers[name]
		if not buyer then
			buyer = known[i - 1] and buyer_read(known[i - 1]) or buyer_new()
			times_prune(buyer, times_after)
			buyers[name] = buyer
		end
		local left = rate > 0 and rate - #buyer.times / 8 or 0
		local earlier = buyer.value > 0 and earlier_order(sale, buyer, name, id, idem, granted)
		local answer
		if earlier then
			answer = replay(earlier, granted.records[earlier] or call('HGET', key .. ':o', earlier), name, lot, quantity, left)
		elseif flags % 2 == REPLAY_ONLY then
			answer = pack('<BB', NO_REPLAY, left)
		elseif stopped and flags < UNLIMITED then
			answer = pack('<BB', PAUSED, left)
		elseif rate > 0 and left <= 0 and flags < UNLIMITED then
			answer = pack('<BBI', RATE_LIMITED, 0, unpack_bin('<i8', buyer.times) + sale.rate_ms - now)
		else
			local live = buyer.value % 10000
			local units = lot < sale.lot_count and lot_of(sale, lot)
			if live + quantity > limit then
				answer = pack('<BB', BUYER_LIMIT, left) .. live_orders(key, buyer)
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
				if rate > 0 and flags < UNLIMITED then
					stamp = stamped
					buyer.times = buyer.times .. stamp
					left = left - 1
				end
				if buyer.value == 0 then
					granted.names[#granted.names + 1] = name
				end
				buyer.value = buyer.value + 10000 + (counts and quantity or 0)
				newest_add(buyer, name, id, idem, granted.keys)
				granted.buyers[name] = buyer
				local record = pack(RECORD_HEAD, state, counts and COUNTED or 0, live + quantity, deadline, deadline) ..
					sub(args[i], 22) .. stamp
				granted.records[id] = record
				local at = 2 * grants + 3 -- behind a command and its key
				grants = grants + 1
				local list = granted.orders
				list[at] = id
				list[at + 1] = record
				list = granted.outbox
				list[at] = now
				list[at + 1] = id
				answer = pack('<BBBHi8', 0, left, state, live + quantity, deadline)
			end
		end
		out[i - 1] = answer
	end
	if not reserve_write(sale, granted) then
		return pack('<BI', FULL, sale.epoch)
	end
	local head = finish(sale)
	return head .. (sold_out and '\1' .. names_since(sale, sale.names_from) or '\0') .. concat(out)
end
