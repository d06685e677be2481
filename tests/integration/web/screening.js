// Plays HLS and keeps a record of all that a viewer or a developer would complain about.
const video = document.querySelector('video');
const screening = { problems: [], hls: null };
let playing = false; // no seek is under way, and what was wanted has come
let since = null; // when it stopped for want of data

const note = (problem) => screening.problems.push(`${problem} at ${video.currentTime.toFixed(2)} s`);
const goesOn = () => {
    if (since === null) return;
    const took = performance.now() - since;
    since = null;
    if (took > 500) note(`it stood for ${Math.round(took)} ms`);
};
video.addEventListener('waiting', () => {
    if (playing && !video.seeking && !video.ended) since ??= performance.now();
});
for (const event of ['playing', 'timeupdate', 'ended']) video.addEventListener(event, goesOn);
video.addEventListener('error', () => note(`the video element failed: ${video.error?.message}`));

// The moment of the first frame presented that was shown between two times of the film.
const frame = (low, high) =>
    new Promise((done) => {
        const look = (now, { mediaTime }) => {
            if (mediaTime >= low && mediaTime <= high) done(performance.now());
            else video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look);
    });

const within = (promise, ms, what) => {
    const failure = () => new Error([`${what} took over ${ms} ms`, ...screening.problems].join('\n'));
    return Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(failure()), ms))]);
};

screening.open = async (url, config) => {
    const hls = new Hls({ maxBufferLength: 30, abrEwmaDefaultEstimate: 50_000_000, ...config });
    screening.hls = hls;
    hls.on(Hls.Events.ERROR, (_, { type, details, error }) => {
        // A request that hls.js itself gave up, for another position or track.
        if (details !== Hls.ErrorDetails.INTERNAL_ABORTED) note(`hls.js: ${type} ${details} ${error?.message ?? ''}`);
    });
    const started = performance.now();
    hls.loadSource(url);
    hls.attachMedia(video);
    await new Promise((done) => hls.once(Hls.Events.MANIFEST_PARSED, done));
    const [shown] = await within(Promise.all([frame(-1, 1e9), video.play()]), 40_000, 'the first frame');
    playing = true;
    return shown - started;
};

screening.close = () => {
    playing = false;
    screening.hls.destroy();
    video.removeAttribute('src');
    video.load();
};

// Milliseconds from setting the position to a frame from there.
screening.seek = async (to) => {
    playing = false;
    since = null;
    const started = performance.now();
    const shown = frame(to - 0.25, to + 2);
    video.currentTime = to;
    if (video.paused) void video.play(); // as after the end
    const took = (await within(shown, 40_000, `the frame at ${to} s`)) - started;
    playing = true;
    return took;
};

screening.playsTo = (to, limit) =>
    within(
        new Promise((done) => {
            const look = () => (video.currentTime >= to || video.ended ? done(video.currentTime) : setTimeout(look, 50));
            look();
        }),
        limit,
        `playing to ${to} s`
    );

screening.buffered = () => {
    const ranges = [];
    for (let n = 0; n < video.buffered.length; n++) ranges.push([video.buffered.start(n), video.buffered.end(n)]);
    return ranges;
};

screening.chooseSound = async (track) => {
    const switched = new Promise((done) => screening.hls.once(Hls.Events.AUDIO_TRACK_SWITCHED, done));
    const buffered = new Promise((done) => {
        const look = (_, { frag }) => {
            if (frag.type === 'audio') done();
            else screening.hls.once(Hls.Events.FRAG_BUFFERED, look);
        };
        screening.hls.once(Hls.Events.FRAG_BUFFERED, look);
    });
    screening.hls.audioTrack = track;
    await within(Promise.all([switched, buffered]), 20_000, 'another sound');
};

// Smoothly: what is in the buffer and about to be shown is kept.
screening.chooseRung = async (level) => {
    const shown = new Promise((done) => {
        const look = (_, data) => (data.level === level ? done() : screening.hls.once(Hls.Events.LEVEL_SWITCHED, look));
        screening.hls.once(Hls.Events.LEVEL_SWITCHED, look);
    });
    screening.hls.nextLevel = level;
    await within(shown, 30_000, `rung ${level}`);
};
