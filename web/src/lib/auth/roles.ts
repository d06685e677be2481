import type { Role } from '$lib/api/types';

/** Each role includes the ones before it. */
export const ROLES: Role[] = ['viewer', 'curator', 'moderator', 'admin'];

export const ROLE_NAMES: Record<Role, string> = {
	viewer: 'Viewer',
	curator: 'Curator',
	moderator: 'Moderator',
	admin: 'Administrator'
};

export const ROLE_TEXTS: Record<Role, string> = {
	viewer: 'Watches',
	curator: 'Also asks for new films and series',
	moderator: 'Also invites viewers and curators, and sees what is playing',
	admin: 'May do everything'
};

/** Whether who has `role` may do what `other` may. What is no role may nothing. */
export function includes(role: string, other: Role): boolean {
	return ROLES.indexOf(role as Role) >= ROLES.indexOf(other);
}

export function roleName(role: string): string {
	return ROLE_NAMES[role as Role] ?? role;
}

/** The roles that somebody may invite as. */
export function mayInvite(role: string): Role[] {
	if (role === 'admin') return ROLES;
	return role === 'moderator' ? ['viewer', 'curator'] : [];
}
