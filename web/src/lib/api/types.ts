import type { components } from './schema';

type Schemas = components['schemas'];

export type User = Schemas['UserView'];
export type SignedIn = Schemas['SignedIn'];
export type SecondFactorRequired = Schemas['SecondFactorRequired'];
export type SignupRequired = Schemas['SignupRequired'];
export type Role = Schemas['Role'];
export type Permissions = Schemas['Permissions'];
export type Account = Schemas['UserSummary'];
export type UserActivity = Schemas['UserActivity'];
export type Invite = Schemas['InviteView'];
export type ApiKey = Schemas['ApiKeyView'];
export type Scope = Schemas['Scope'];
export type Provider = Schemas['ProviderView'];
export type ProviderSettings = Schemas['ProviderSettings'];
export type ProviderTest = Schemas['ProviderTest'];
export type ProviderKind = Schemas['ProviderKind'];
export type Passkey = Schemas['PasskeyView'];
export type NewPasskey = Schemas['NewPasskey'];
export type Proof = Schemas['ProofRequest'];
export type SecondFactors = Schemas['SecondFactorsView'];
export type TotpEnrolment = Schemas['TotpEnrolment'];
export type LinkedIdentity = Schemas['LinkedIdentity'];
export type Preferences = Required<Schemas['UserSettings']>;
export type SubtitleMode = Schemas['SubtitleMode'];
export type SecurityEvent = Schemas['SecurityEventView'];
export type Library = Schemas['LibraryView'];
export type ScanStatus = Schemas['ScanStatus'];
export type Directory = Schemas['FolderListing'];
export type MovieSummary = Schemas['MovieSummary'];
export type Movie = Schemas['Movie'];
export type SeriesSummary = Schemas['SeriesSummary'];
export type Series = Schemas['Series'];
export type SeasonView = Schemas['SeasonView'];
export type EpisodeSummary = Schemas['EpisodeSummary'];
export type Episode = Schemas['Episode'];
export type MediaFile = Schemas['MediaFileView'];
export type ViewerProgress = Schemas['ViewerProgress'];
export type ProgressItem = Schemas['ProgressEntry'];
export type PlaybackSession = Schemas['PlaybackSessionView'];
export type AudioChoice = Schemas['AudioChoice'];
export type SubtitleChoice = Schemas['SubtitleChoice'];
export type StreamDecision = Schemas['StreamDecision'];
export type Capabilities = Schemas['CapabilitiesBody'] & Required<Pick<Schemas['CapabilitiesBody'], 'containers' | 'video_codecs' | 'audio_codecs'>>;
export type StartPlayback = Schemas['StartSessionRequest'];
export type MediaType = 'movie' | 'episode';
export type Profile = NonNullable<StartPlayback['profile']>;
export type LibraryKind = Schemas['LibraryKind'];

export interface Paged<T> {
	items: T[];
	page: number;
	per_page: number;
	total_items: number;
	total_pages: number;
}
