import { describe, expect, it } from 'vitest';
import { includes, mayInvite } from './roles';

describe('a role', () => {
	it('includes the ones before it', () => {
		expect(includes('admin', 'moderator')).toBe(true);
		expect(includes('moderator', 'moderator')).toBe(true);
		expect(includes('curator', 'moderator')).toBe(false);
	});

	it('that is none includes nothing', () => {
		expect(includes('owner', 'viewer')).toBe(false);
	});

	it('invites those below it, and administrators anybody', () => {
		expect(mayInvite('moderator')).toEqual(['viewer', 'curator']);
		expect(mayInvite('admin')).toContain('admin');
		expect(mayInvite('curator')).toEqual([]);
	});
});
