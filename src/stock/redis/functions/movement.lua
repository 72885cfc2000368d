-- Units that come and go by an operator.

local function allocate(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local number, allocated = unpack_bin('<HI', args[2])
	local lot = lot_of(sale, number)
	if allocated > lot.allocated then
		lot.available = lot.available + allocated - lot.allocated
		lot.allocated = allocated
		lot.version = lot.version + 1
		lot.changed = true
	end
	return finish(sale)
end

local function withdraw(keys, args)
	local sale, refusal = enter(keys, args, 'armed')
	if not sale then
		return refusal
	end
	local id, number, units, exact, rest = unpack_bin('<c16HIB', args[2])
	local known = call('HGET', sale.key .. ':v', id)
	local lot, taken = lot_of(sale, number), 0
	if known then -- done before: told again once it is durable
		local flags, its_lot, quantity = unpack_bin('<BHI', known)
		if flags ~= 0 then
			return pack('<BI', BUSY, sale.epoch)
		end
		return finish(sale) .. pack('<HI', its_lot, quantity)
	end
	if outbox_size(sale) >= sale.outbox_max then
		return pack('<BI', FULL, sale.epoch)
	end
	taken = units <= lot.available and units or exact == 1 and 0 or lot.available
	if taken > 0 then
		lot.available = lot.available - taken
		lot.withdrawn = lot.withdrawn + taken
		lot.changed = true
		call('HSET', sale.key .. ':v', id, pack('<BHI', 1, number, taken) .. sub(args[2], rest))
		call('ZADD', sale.key .. ':x', sale.now, 'm' .. id)
	end
	return finish(sale) .. pack('<HI', number, taken)
end
