-- The purchase decision: step 7 of the way of a purchase, for a whole batch.

local function order_text(sale, id, record)
	local state, _, _, hold, first, _, _, lot, quantity = unpack_bin(RECORD, record)
	return id .. pack('<BBi8i8HH', state, flags_of(sale, record), hold, first, lot, quantity)
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
local function replay(sale, id, record, buyer, lot, quantity, left)
	local _, _, _, _, _, _, _, its_lot, its_quantity, owner = unpack_bin(RECORD, record)
	if owner ~= buyer or its_lot ~= lot or its_quantity ~= quantity then
		return pack('<BB', KEY_CONFLICT, left)
	end
	return pack('<BB', REPLAY, left) .. order_text(sale, id, record)
end

-- The live orders of a buyer who has had as many as it may: those that the journal has, newest first. (What this batch has granted it has not.)
local function live_orders(sale, buyer)
	local records, ids = newest_records(sale.key, buyer)
	local out = {}
	for i = 3, #ids do
		local record = records[ids[i]]
		local state = record and byte(record)
		if (state == HELD or state == CONFIRMED) and has(flags_of(sale, record), DURABLE) then
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

-- What the events of the grants carry: as a rule the whole call, as it came.
local function events_text(requests, starts, places)
	if #places == #starts - 1 then
		return requests
	end
	local parts = {}
	for place = 1, #places do
		local i = places[place]
		parts[place] = sub(requests, starts[i], starts[i + 1] - 1)
	end
	return concat(parts)
end

-- Writes what a batch has granted. False, and nothing is written, where the list of names is full.
local function reserve_write(sale, granted, requests, starts)
	local key = sale.key
	if #granted.names > 0 then
		granted.names[#granted.names + 1] = ''
		if not names_append(sale, concat(granted.names, '\n')) then
			return false
		end
	end
	write(granted.orders)
	write(granted.keys)
	local count = #granted.places
	if count > 0 then
		call('HSET', key .. ':y', granted.batch, events_text(requests, starts, granted.places))
		call('HSET', key .. ':s', granted.batch, pack('<i8', sale.now) .. string.rep('\0', count), 'newest', granted.batch, 'pending', granted.pending + count)
		call('ZADD', key .. ':g', sale.now, granted.batch)
	end
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
	local requests, at, count = args[2], 1, 0
	local q_buyers, ids, flag, holds, lots, quantities, keyed, starts = {'HMGET', key .. ':b'}, {}, {}, {}, {}, {}, {}, {}
	while at <= #requests do
		local size, id, flags, hold, lot, quantity, name, _, idem = unpack_bin('<Hc16BIHHBc0i8Bc0', requests, at)
		count = count + 1
		ids[count], flag[count], holds[count], lots[count], quantities[count], keyed[count], starts[count] =
			id, flags, hold, lot, quantity, idem, at
		q_buyers[count + 2] = name
		at = at + 2 + size
	end
	starts[count + 1] = at
	local known = call(unpack(q_buyers))
	local batches = call('HMGET', key .. ':s', 'newest', 'pending')
	local buyers, times_after = {}, now - sale.rate_ms
	local granted = {orders = {'HSET', key .. ':o'}, keys = {'HSET', key .. ':k'}, buyers = {}, names = {}, records = {}, places = {},
		batch = tonumber(batches[1] or 0) + 1, pending = tonumber(batches[2] or 0)}
	local outbox = granted.pending + call('ZCARD', key .. ':x')
	sale.batches[granted.batch] = {bytes = {}} -- whoever is told of its grants in this call hears that they are pending
	local out, sold_out, counts = {}, false, not has(sale.broken, FORGET_BUYER)
	local grants, stamp = 0, pack('<i8', now)
	local stopped = call('HGET', key .. ':z', 'stopped') == '1'
	for i = 1, count do
		local id, flags, hold, lot, quantity, name, idem = ids[i], flag[i], holds[i], lots[i], quantities[i], q_buyers[i + 2], keyed[i]
		local buyer = buyers[name]
		if not buyer then
			buyer = known[i] and buyer_read(known[i]) or buyer_new()
			times_prune(buyer, times_after)
			buyers[name] = buyer
		end
		local left = rate > 0 and rate - #buyer.times / 8 or 0
		local earlier = buyer.value > 0 and earlier_order(sale, buyer, name, id, idem, granted)
		local answer
		if earlier then
			answer = replay(sale, earlier, granted.records[earlier] or call('HGET', key .. ':o', earlier), name, lot, quantity, left)
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
				answer = pack('<BB', BUYER_LIMIT, left) .. live_orders(sale, buyer)
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
				if rate > 0 and flags < UNLIMITED then
					buyer.times = buyer.times == '' and stamp or buyer.times .. stamp
					left = left - 1
				end
				if buyer.value == 0 then
					granted.names[#granted.names + 1] = name
				end
				buyer.value = buyer.value + 10000 + (counts and quantity or 0)
				newest_add(buyer, name, id, idem, granted.keys)
				granted.buyers[name] = buyer
				grants = grants + 1
				local record = pack(RECORD, state, counts and COUNTED or 0, live + quantity, deadline, deadline, granted.batch, grants, lot,
					quantity, #name, name)
				granted.records[id] = record
				granted.orders[2 * grants + 1] = id -- behind a command and its key
				granted.orders[2 * grants + 2] = record
				granted.places[grants] = i
				answer = pack('<BBBHi8', 0, left, state, live + quantity, deadline)
			end
		end
		out[i] = answer
	end
	if not reserve_write(sale, granted, requests, starts) then
		return pack('<BI', FULL, sale.epoch)
	end
	local head = finish(sale)
	return head .. (sold_out and '\1' .. names_since(sale, sale.names_from) or '\0') .. concat(out)
end
