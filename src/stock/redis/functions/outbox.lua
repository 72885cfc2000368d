-- The outbox: what has come to its end, and what nobody has brought to one.

local function end_lists(key)
	return {orders = {'HSET', key .. ':o'}, holds = {'ZADD', key .. ':h'}, done = {'ZREM', key .. ':x'}, pending = {'HDEL', key .. ':p'},
		gone = {'HDEL', key .. ':o'}, keys = {'HSET', key .. ':k'}, unkeyed = {'HDEL', key .. ':k'}, unpaid = {'HDEL', key .. ':r'}, buyers = {}}
end

local SOME_PENDING = '[%z\3]' -- PENDING, LATE

-- What has ended in batches. One with nothing left is gone; one with a grant that was set aside
-- stays, for that one is not durable.
local function batches_write(sale)
	local bytes, gone, texts, tried = {'HSET', sale.key .. ':s'}, {'HDEL', sale.key .. ':s'}, {'HDEL', sale.key .. ':y'}, {'ZREM', sale.key .. ':g'}
	for number in pairs(sale.written) do
		local batch = sale.batches[number]
		local over = not string.find(batch, SOME_PENDING, BATCH_HEAD + 1)
		if over then
			tried[#tried + 1] = number
			texts[#texts + 1] = number
		end
		if over and not string.find(batch, string.char(ASIDE), BATCH_HEAD + 1, true) then
			gone[#gone + 1] = number
		else
			bytes[#bytes + 1] = number
			bytes[#bytes + 1] = batch
		end
	end
	if sale.ended > 0 then
		bytes[#bytes + 1] = 'pending'
		bytes[#bytes + 1] = tonumber(call('HGET', sale.key .. ':s', 'pending')) - sale.ended
	end
	write(bytes)
	write(gone)
	write(texts)
	write(tried)
end

local function end_write(sale, lists)
	local key = sale.key
	local buyers, unknown = {'HSET', key .. ':b'}, {'HDEL', key .. ':b'}
	write(lists.orders)
	write(lists.holds)
	write(lists.done)
	write(lists.pending)
	write(lists.gone)
	write(lists.keys)
	write(lists.unkeyed)
	write(lists.unpaid)
	for name, buyer in pairs(lists.buyers) do
		if buyer.value < 10000 then
			unknown[#unknown + 1] = name
		else
			buyers[#buyers + 1] = name
			buyers[#buyers + 1] = buyer_text(buyer)
		end
	end
	write(buyers)
	write(unknown)
	batches_write(sale)
end

-- The buyer as it is now, to be changed. `text`: its field as it was.
local function buyer_known(lists, name, text)
	local buyer = lists.buyers[name]
	if not buyer then
		buyer = text and buyer_read(text) or buyer_new()
		lists.buyers[name] = buyer
	end
	return buyer
end

local function buyer_of(sale, lists, name)
	return lists.buyers[name] or buyer_known(lists, name, call('HGET', sale.key .. ':b', name))
end

local function keep(lists, records, id, record)
	local list = lists.orders
	records[id] = record
	list[#list + 1] = id
	list[#list + 1] = record
end

-- Many end at the same moment, and to write a number costs as much as all else here.
local function hold_again(lists, id, hold)
	local list = lists.holds
	if hold ~= lists.hold then
		lists.hold, lists.hold_text = hold, string.format('%.0f', hold)
	end
	list[#list + 1] = lists.hold_text
	list[#list + 1] = id
end

local function done(lists, id)
	lists.done[#lists.done + 1] = id
end

-- Lua counts the names of a text: what is of use here alone is named here alone.
local event_of, acknowledge, compensate
do
	-- The journal has the settlement: it becomes true.
	local function settlement_durable(sale, lists, records, id, record, pending)
		local kind, _, after, returned, units = unpack_bin('<Bi8i8BB', pending)
		local state, flags, buyer_units, hold, first, _, _, lot_number, quantity, buyer = unpack_bin(RECORD, record)
		local lot, terms = lot_of(sale, lot_number), sub(record, HEAD_SIZE + 1)
		local paid = (kind == EV_CONFIRMED or kind == EV_PAID) and payments.of(record) == '' and payments.pending(pending) or ''
		flags = flags % CLAIMED - SETTLING
		if kind == EV_CONFIRMED then
			lot.held = lot.held - quantity
			lot.confirmed = lot.confirmed + quantity
			lot.changed = true
			state = CONFIRMED
		elseif kind == EV_EXTENDED then
			hold = after
			hold_again(lists, id, hold)
		elseif kind ~= EV_PAID then
			local left = kind == EV_REDUCED and after or 0
			if returned == 0 then
				return_units(lot, quantity - left, state == CONFIRMED, units ~= TO_SALE)
			end
			if has(flags, COUNTED) then
				buyer = buyer_of(sale, lists, buyer)
				buyer.value = buyer.value - quantity + left
			end
			if left > 0 then
				terms = pack(TERMS, 0, select(2, units_of(record)), lot_number, left) .. sub(terms, TERMS_SIZE + 1)
				if state == HELD then
					hold_again(lists, id, hold)
				end
			else
				flags = has(flags, COUNTED) and flags - COUNTED or flags
				state = kind == EV_EXPIRED and EXPIRED or CANCELLED
			end
		end
		record = pack(RECORD_HEAD, state, flags, buyer_units, hold, first) .. terms
		keep(lists, records, id, paid ~= '' and payments.put(record, paid) or record)
		lists.pending[#lists.pending + 1] = id
		done(lists, id)
	end

	-- The grant's place in its buyer's rate is free again.
	local function time_return(buyer, stamp)
		local times = buyer.times
		for at = 1, #times, 8 do
			if sub(times, at, at + 7) == stamp then
				buyer.times = sub(times, 1, at - 1) .. sub(times, at + 8)
				return
			end
		end
	end

	-- What the event of a batch's grant carries, as the gate sent it; nil: the batch is not
	-- there, or not whole.
	function event_of(sale, number, place)
		local text, at = call('HGET', sale.key .. ':y', number), 1
		for i = 1, text and place or 0 do
			local size = unpack_bin('<H', text, at)
			if i == place then
				return at + 1 + size <= #text and sub(text, at + 2, at + 1 + size) or nil
			end
			at = at + 2 + size
		end
	end

	-- The grant never happened. Of one that was claimed and is undone all the same (a broken
	-- rule) the event is not read.
	local function grant_undone(sale, lists, records, id, record, number, place)
		local state, flags, _, _, _, _, _, lot, quantity, name = unpack_bin(RECORD, record)
		local buyer, event = buyer_of(sale, lists, name), number and event_of(sale, number, place)
		if event and sale.rate_requests > 0 and byte(event) % LABELLED < UNLIMITED then
			time_return(buyer, sub(batch_of(sale, number), 1, BATCH_HEAD))
		end
		return_units(lot_of(sale, lot), quantity, state == CONFIRMED)
		buyer.value = buyer.value - 10000 - (has(flags, COUNTED) and quantity or 0)
		if not newest_remove(buyer, id) and event then
			local key = select(7, unpack_bin(EVENT, event))
			if key ~= '' then
				lists.unkeyed[#lists.unkeyed + 1] = name .. ' ' .. key
			end
		end
		records[id] = nil
		lists.gone[#lists.gone + 1] = id
	end

	local function settlement_undone(lists, records, id, record, kind, pending)
		local state, flags, units, hold, first = unpack_bin(RECORD_HEAD, record)
		keep(lists, records, id, pack(RECORD_HEAD, state, flags % CLAIMED - SETTLING, units, hold, first) .. sub(record, HEAD_SIZE + 1))
		if state == HELD then
			hold_again(lists, id, hold)
		end
		if (kind == EV_CONFIRMED or kind == EV_PAID) and payments.of(record) == '' then
			local reference = payments.pending(pending)
			lists.unpaid[#lists.unpaid + 1] = reference ~= '' and reference or nil
		end
		lists.pending[#lists.pending + 1] = id
		done(lists, id)
	end

	-- What is said of each event that has come to its end is an ACK_. ACK_STAYS: there is
	-- something of it that cannot be undone.

	local function movement_end(sale, lists, id, durable)
		local record = call('HGET', sale.key .. ':v', id)
		if not record then
			return ACK_UNKNOWN
		end
		local flags, lot_number, quantity = unpack_bin('<BHI', record)
		if flags == 0 then
			return ACK_ALREADY
		end
		if not durable and has(flags, CLAIMED) and not has(sale.broken, BROKEN.UNDO_CLAIMED) then
			return ACK_STAYS
		end
		if durable then
			call('HSET', sale.key .. ':v', id, pack('<BHI', 0, lot_number, quantity))
		else
			local lot = lot_of(sale, lot_number)
			lot.withdrawn = lot.withdrawn - quantity
			lot.available = lot.available + quantity
			lot.version = lot.version + 1
			lot.changed = true
			call('HDEL', sale.key .. ':v', id)
		end
		done(lists, 'm' .. id)
		return ACK_DONE
	end

	-- A settlement that is not on its way: whether it has become true before.
	local function has_become(kind, state, after, its_hold, record)
		if kind == EV_EXTENDED then
			return after <= its_hold
		end
		if kind == EV_REDUCED then
			return units_of(record) <= after
		end
		if kind == EV_CONFIRMED then
			return state == CONFIRMED
		end
		if kind == EV_PAID then
			return payments.of(record) ~= ''
		end
		return state == (kind == EV_EXPIRED and EXPIRED or CANCELLED)
	end

	-- An order's grant. That its byte in the batch is over says that it is durable; of one that
	-- was claimed, its record says it.
	local function grant_end(sale, lists, records, id, durable)
		local record = records[id]
		if not record then
			return ACK_UNKNOWN
		end
		local state, flags, units, hold, first, number, place = unpack_bin(GRANT, record)
		local batch = number > 0 and batch_of(sale, number)
		if not durable and has(flags, CLAIMED) and not has(sale.broken, BROKEN.UNDO_CLAIMED) then
			return ACK_STAYS
		end
		if has(flags, DURABLE) or (number > 0 and (not batch or place_of(batch, place) == OVER)) then
			return ACK_ALREADY
		end
		if durable and state == HELD and (not batch or place_of(batch, place) == LATE) then
			hold_again(lists, id, hold)
		end
		if not durable then
			grant_undone(sale, lists, records, id, record, batch and number, place)
		elseif not batch then
			keep(lists, records, id, pack(RECORD_HEAD, state, flags % CLAIMED + DURABLE, units, hold, first) .. sub(record, HEAD_SIZE + 1))
		end
		if batch then
			batch_end(sale, number, place, OVER)
		else
			lists.pending[#lists.pending + 1] = id
			done(lists, id)
		end
		return ACK_DONE
	end

	-- `after`: as send() has it; of two extensions, or reductions, it says which one.
	local function settlement_end(sale, lists, records, pending, id, kind, after, durable)
		local record = records[id]
		if not record then
			return ACK_UNKNOWN
		end
		local state, flags, _, its_hold = unpack_bin(RECORD_HEAD, record)
		if not durable and has(flags, CLAIMED) and not has(sale.broken, BROKEN.UNDO_CLAIMED) then
			return ACK_STAYS
		end
		local its_kind, its_after, _
		if has(flags, SETTLING) and pending then
			its_kind, _, its_after = unpack_bin('<Bi8i8', pending)
		end
		if its_kind ~= kind or ((kind == EV_EXTENDED or kind == EV_REDUCED) and its_after ~= after) then
			if not durable then
				return ACK_STAYS
			end
			return has_become(kind, state, after, its_hold, record) and ACK_ALREADY or ACK_UNKNOWN
		end
		if durable then
			settlement_durable(sale, lists, records, id, record, pending)
		else
			settlement_undone(lists, records, id, record, kind, pending)
		end
		return ACK_DONE
	end

	-- The batches that runs of an acknowledgement name, read in one command.
	local function read_batches(sale, runs)
		local asked, seen = {'HMGET', sale.key .. ':s'}, {}
		for i = 2, #runs, 4 do
			if not seen[runs[i]] then
				seen[runs[i]] = true
				asked[#asked + 1] = runs[i]
			end
		end
		local found = #asked > 2 and call(unpack(asked)) or {}
		for i = 1, #found do
			sale.batches[asked[i + 2]] = found[i]
		end
	end

	-- Each behind its size: id, kind, epoch, hold, and of a grant its batch and its place in
	-- it, as the gate heard them from reserve() (0: it does not know), and of how many ends it
	-- tells: with it those of the places behind its own. Acknowledgements of grants that are
	-- all pending where they say need nothing else: they are done. The others go to `rest`.
	-- False: of some of a run only their own ids say what they are.
	local END_SIZE = 39
	local function end_by_place(sale, told, ends, rest)
		local runs = {}
		for i = 1, #told / END_SIZE do
			local kind, epoch, _, number, place, count = unpack_bin('<BIi8IHH', told, (i - 1) * END_SIZE + 19)
			if kind == RESERVED and epoch ~= sale.epoch then
				ends[i] = string.rep(string.char(ACK_OTHER_EPOCH), count)
			elseif kind == RESERVED and number > 0 then
				local at = #runs
				runs[at + 1], runs[at + 2], runs[at + 3], runs[at + 4] = i, number, place, count
			else
				rest[#rest + 1] = i
			end
		end
		read_batches(sale, runs)
		for at = 1, #runs, 4 do
			local i, number, place, count = runs[at], runs[at + 1], runs[at + 2], runs[at + 3]
			local batch, from = sale.batches[number], BATCH_HEAD + place
			if batch and sub(batch, from, from + count - 1) == string.rep(string.char(PENDING), count) then
				batch_write(sale, number, place, string.rep(string.char(OVER), count), count)
				ends[i] = string.rep(string.char(ACK_DONE), count)
			elseif count > 1 then
				return false
			else
				rest[#rest + 1] = i
			end
		end
		return true
	end

	-- What has come to its end: acknowledged (durable), or compensated: all in one argument.
	-- The answer has a byte for each.
	local function settle_ends(keys, args, durable)
		local sale, refusal = enter(keys, args, 'armed')
		if not sale then
			return refusal
		end
		local told, lists, ends, rest = args[2], end_lists(sale.key), {}, {}
		if not durable then
			for i = 1, #told / END_SIZE do
				rest[i] = i
			end
		elseif not end_by_place(sale, told, ends, rest) then
			return pack('<BI', STALE, sale.epoch) -- nothing was done: it is to be told one by one
		end
		local ids, settling = {'HMGET', sale.key .. ':o'}, {'HMGET', sale.key .. ':p'}
		for i = 1, #rest do
			local at = (rest[i] - 1) * END_SIZE + 3
			ids[i + 2] = sub(told, at, at + 15)
			if byte(told, at + 16) ~= RESERVED then
				settling[#settling + 1] = ids[i + 2]
			end
		end
		local records, pending = #rest > 0 and records_of(ids) or {}, #settling > 2 and records_of(settling) or {}
		for i = 1, #rest do
			local id, kind, epoch, after = ids[i + 2], unpack_bin('<BIi8', told, (rest[i] - 1) * END_SIZE + 19)
			local ended
			if epoch ~= sale.epoch then
				ended = ACK_OTHER_EPOCH -- what became of it is the journal's to say
			elseif kind == RESERVED then
				ended = grant_end(sale, lists, records, id, durable)
			elseif kind == EV_WITHDRAWN then
				ended = movement_end(sale, lists, id, durable)
			else
				ended = settlement_end(sale, lists, records, pending[id], id, kind, after, durable)
			end
			ends[rest[i]] = string.char(ended)
		end
		end_write(sale, lists)
		return finish(sale) .. concat(ends)
	end

	function acknowledge(keys, args)
		return settle_ends(keys, args, true)
	end

	function compensate(keys, args)
		return settle_ends(keys, args, false)
	end
end

local claim
do
	-- Whoever asks owns the entries from now on: nobody else takes them for as long, and nobody
	-- compensates them. It names the latest time of an entry's last try that it has itself seen
	-- go by, so long ago that whoever tried has given up.
	local function claim_order(sale, lists, id)
		local record = call('HGET', sale.key .. ':o', id)
		if not record then
			return nil
		end
		local state, flags, units, hold, first, _, _, lot, quantity = unpack_bin(RECORD, record)
		local pending = call('HGET', sale.key .. ':p', id)
		keep(lists, {}, id, pack(RECORD_HEAD, state, flags % CLAIMED + CLAIMED, units, hold, first) .. sub(record, HEAD_SIZE + 1))
		if not has(flags, DURABLE) then
			return sub(pending, 1, 1) .. id .. sub(pending, 2)
		end
		local kind, _, after = unpack_bin('<Bi8i8', pending)
		return sub(pending, 1, 1) .. id .. pack('<HH', lot, kind == EV_REDUCED and quantity - after or quantity) .. sub(pending, 2)
	end

	-- A batch's grant: an entry of its own from now on.
	local function claim_grant(sale, lists, number, place)
		local event = event_of(sale, number, place)
		local id = select(8, unpack_bin(EVENT, event))
		local record = call('HGET', sale.key .. ':o', id)
		local state, flags, units, hold, first, its_number, its_place = unpack_bin(RECORD, record)
		assert(its_number == number and its_place == place)
		local text = pack('<Hi8', units, first) .. sub(event, 6)
		keep(lists, {}, id, pack(RECORD_HEAD, state, flags % CLAIMED + CLAIMED, units, hold, first) .. NO_PLACE ..
			sub(record, HEAD_SIZE + PLACE_SIZE + 1))
		lists.claimed[#lists.claimed + 1] = id
		lists.claimed[#lists.claimed + 1] = pack('B', RESERVED) .. text
		return id, pack('B', RESERVED) .. id .. text
	end

	local function claim_movement(sale, id)
		local record = call('HGET', sale.key .. ':v', id)
		if not record then
			return nil
		end
		call('HSET', sale.key .. ':v', id, pack('B', unpack_bin('B', record) % CLAIMED + CLAIMED) .. sub(record, 2))
		return pack('B', EV_WITHDRAWN) .. id .. sub(record, 2)
	end

	-- One that cannot be read: what it was cannot be told any more. Kept apart, or it would
	-- stop the others for ever.
	local function set_aside(sale, claims, entry)
		claims.unreadable = claims.unreadable + 1
		claims.aside[#claims.aside + 1] = sale.now
		claims.aside[#claims.aside + 1] = entry
	end

	local function claimed(sale, claims, entry, text)
		claims.out[#claims.out + 1] = pack('<H', #text) .. text
		claims.again[#claims.again + 1] = sale.now
		claims.again[#claims.again + 1] = entry
	end

	local function claim_single(sale, lists, claims, entry)
		local fine, text
		if #entry == 16 then
			fine, text = pcall(claim_order, sale, lists, entry)
		else
			fine, text = pcall(claim_movement, sale, sub(entry, 2))
		end
		if fine and text then
			claimed(sale, claims, entry, text)
		else
			if not fine then
				set_aside(sale, claims, entry)
			end
			done(lists, entry)
		end
	end

	local function claim_batch(sale, lists, claims, number, max)
		local batch = batch_of(sale, number)
		for place = 1, batch and #batch - BATCH_HEAD or 0 do
			if #claims.out + claims.unreadable >= max then
				return
			end
			if is_pending(place_of(batch, place)) then
				local fine, id, text = pcall(claim_grant, sale, lists, number, place)
				if fine then
					claimed(sale, claims, id, text)
				else
					set_aside(sale, claims, 'b' .. number .. ' ' .. place)
				end
				batch_end(sale, number, place, fine and OVER or ASIDE)
			end
		end
		if not batch then
			claims.tried[#claims.tried + 1] = number
		end
	end

	function claim(keys, args)
		local sale, refusal = enter(keys, args, 'armed')
		if not sale then
			return refusal
		end
		local key, latest, max = sale.key, unpack_bin('<i8I', args[2])
		local lists, claims = end_lists(key), {out = {}, again = {'ZADD', key .. ':x'}, aside = {'ZADD', key .. ':u'}, unreadable = 0,
			tried = {'ZREM', key .. ':g'}}
		lists.claimed = {'HSET', key .. ':p'}
		local singles = call('ZRANGE', key .. ':x', '-inf', latest, 'BYSCORE', 'LIMIT', 0, max, 'WITHSCORES')
		local batches = call('ZRANGE', key .. ':g', '-inf', latest, 'BYSCORE', 'LIMIT', 0, max, 'WITHSCORES')
		local single, batch = 1, 1
		while #claims.out + claims.unreadable < max and (singles[single] or batches[batch]) do
			if not batches[batch] or (singles[single] and tonumber(singles[single + 1]) <= tonumber(batches[batch + 1])) then
				claim_single(sale, lists, claims, singles[single])
				single = single + 2
			else
				claim_batch(sale, lists, claims, tonumber(batches[batch]), max)
				batch = batch + 2
			end
		end
		end_write(sale, lists)
		write(lists.claimed)
		write(claims.again)
		write(claims.aside)
		write(claims.tried)
		return finish(sale) .. pack('<i8II', outbox_oldest(sale), claims.unreadable, #claims.out) .. concat(claims.out)
	end
end

-- Holds that have run out. What is no hold any more, or another's that came after it, just leaves
-- the list; of one that the journal does not have yet its batch says that it is late, so that it is
-- back in the list when the journal has it. Says how many it has looked at.
local expire
do
	-- The orders of the entries that are due, at most `max`: an HMGET of their records. What
	-- leaves the list for it is noted.
	local function due_orders(sale, cut, max, lists)
		local key, ids = sale.key, {'HMGET', sale.key .. ':o'}
		local due = call('ZRANGE', key .. ':h', '-inf', cut, 'BYSCORE', 'LIMIT', 0, max)
		for i = 1, #due do
			local entry, room = due[i], (max + 2 - #ids) * 16
			if room == 0 then
				break
			end
			local held = #entry == 16 and entry or call('HGET', key .. ':w', entry) or ''
			for at = 1, math.min(#held, room), 16 do
				ids[#ids + 1] = sub(held, at, at + 15)
			end
			if #held > room then
				lists.rest = {'HSET', key .. ':w', entry, sub(held, room + 1)}
			else
				lists.due[#lists.due + 1] = entry
				lists.gone[#lists.gone + 1] = #entry < 16 and entry or nil
			end
		end
		return ids
	end

	-- Whether the order's hold has run out: it may expire.
	local function is_over(sale, record, cut)
		local state, flags, _, hold = unpack_bin(RECORD_HEAD, record)
		if state ~= HELD or has(flags, SETTLING) or hold > cut then
			return false
		end
		local number, place = pending_place(sale, record)
		if number and place_of(sale.batches[number], place) == PENDING then
			batch_write(sale, number, place, string.char(LATE), 0)
		end
		return has(flags_of(sale, record), DURABLE)
	end

	function expire(keys, args)
		local sale, refusal = enter(keys, args, 'armed')
		if not sale then
			return refusal
		end
		local grace, max, rest = unpack_bin('<i8I', args[2])
		local key, room, cut, actor = sale.key, sale.outbox_max - outbox_size(sale), sale.now - grace, sub(args[2], rest)
		local out, lists = {}, send_lists(key)
		lists.due, lists.gone, lists.rest = {'ZREM', key .. ':h'}, {'HDEL', key .. ':w'}, {}
		max = max < room and max or room
		local ids = max > 0 and due_orders(sale, cut, max, lists) or {}
		local records = #ids > 2 and records_of(ids) or {}
		for i = 3, #ids do
			local id = ids[i]
			local record = records[id]
			if record and is_over(sale, record, cut) then
				local lot, quantity = unpack_bin('<HH', record, HEAD_SIZE + PLACE_SIZE + 1)
				records[id] = send(sale, lists, id, record, EV_EXPIRED, sale.now, 0, TO_SALE, actor)
				out[#out + 1] = id .. pack('<HH', lot, quantity)
			end
		end
		send_write(lists)
		write(lists.due)
		write(lists.gone)
		write(lists.rest)
		batches_write(sale)
		return finish(sale) .. pack('<II', math.max(#ids - 2, 0), #out) .. concat(out)
	end
end
