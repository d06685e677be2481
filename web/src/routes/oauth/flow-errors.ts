const WORDS: Record<string, string> = {
	cancelled: 'You turned back at the provider. Nothing was changed.',
	expired: 'That took too long, or was begun in another browser. Try again.',
	provider_failed: 'The provider did not answer as it should. Try again; if it goes on, tell whoever runs this server.',
	signed_out: 'You were signed out meanwhile. Sign in and link it again.',
	linked_elsewhere: 'This identity belongs to another account here.',
	another_linked: 'You have linked another identity of this provider. Unlink that one first.'
};

/** What the server says of a flow that came to nothing, in words for people. */
export function flowError(error: string | null): string {
	return WORDS[error ?? ''] ?? 'There is nothing to finish here. Sign in from the start.';
}
