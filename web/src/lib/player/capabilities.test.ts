import { describe, expect, it } from 'vitest';
import { type Browser, deviceName, measure } from './capabilities';

const browser = (over: Partial<Browser> = {}): Browser => ({
	plays: (type) => /avc1\.64|mp4a|vp09|webm|vp8|opus/.test(type) && !/matroska/.test(type),
	joins: (type) => !/mp4a.6B/.test(type),
	decodes: (_, size) => Promise.resolve(size.height <= 1080),
	isHdrScreen: () => false,
	hls: () => true,
	opensGroups: () => false,
	...over
});

describe('measure', () => {
	it('claims only what the browser plays', async () => {
		const found = await measure(browser());
		expect(found.containers).toEqual(['mp4', 'webm']);
		expect(found.video_codecs.map((one) => one.codec)).toEqual(['h264', 'vp9', 'vp8']);
		expect(found.audio_codecs.map((one) => one.codec)).toContain('aac');
		expect(found.audio_codecs.map((one) => one.codec)).not.toContain('ac3');
	});

	it('tells what plays in files from what plays in segments', async () => {
		const found = await measure(browser());
		const segments = Object.fromEntries(found.audio_codecs.map((one) => [one.codec, one.segments]));
		expect(segments).toMatchObject({ aac: true, mp3: false });
	});

	it('measures size and bit depth of each codec', async () => {
		const found = await measure(browser());
		expect(found.video_codecs[0]).toEqual({ codec: 'h264', max_bit_depth: 8, max_width: 1920, max_height: 1080 });
		expect(found.video_codecs[1]).toMatchObject({ codec: 'vp9', max_bit_depth: 10 });
	});

	it('tells whether it can begin in open groups of pictures', async () => {
		expect((await measure(browser())).open_groups).toBe(false);
		expect((await measure(browser({ opensGroups: () => true }))).open_groups).toBe(true);
	});

	it('names no size where the browser cannot be asked', async () => {
		const found = await measure(browser({ decodes: () => Promise.resolve(null) }));
		expect(found.video_codecs[0]).not.toHaveProperty('max_height');
	});

	it('shows HDR only on a screen for it', async () => {
		expect((await measure(browser())).hdr).toEqual([]);
		expect((await measure(browser({ isHdrScreen: () => true }))).hdr).toEqual(['hdr10', 'hlg']);
	});
});

describe('deviceName', () => {
	it('names browser and system', () => {
		expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36')).toBe('Chrome on Linux');
		expect(deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1')).toBe('Safari on iPhone');
	});
});
