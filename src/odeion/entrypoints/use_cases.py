"""What the entrypoints call: the use cases and queries of every area."""

from __future__ import annotations

from dataclasses import dataclass

from odeion.application.catalog.editing import MetadataEditing
from odeion.application.catalog.queries import CatalogQueries
from odeion.application.identity.account import OwnAccount
from odeion.application.identity.api_keys import ApiKeys
from odeion.application.identity.device_codes import DeviceCodes
from odeion.application.identity.first_run import FirstRun
from odeion.application.identity.housekeeping import IdentityHousekeeping
from odeion.application.identity.identification import Identification
from odeion.application.identity.invites import Invites, Registration
from odeion.application.identity.login_sessions import LoginSessionQueries, LoginSessions
from odeion.application.identity.oauth import OAuth
from odeion.application.identity.oauth_settings import OAuthSettings
from odeion.application.identity.passkeys import Passkeys
from odeion.application.identity.passwords import Passwords
from odeion.application.identity.proof import Proof
from odeion.application.identity.second_factors import SecondFactors
from odeion.application.identity.second_step import SecondStep
from odeion.application.identity.sign_in import SignIn
from odeion.application.identity.trail import SecurityTrailQueries
from odeion.application.identity.users import UserQueries, Users
from odeion.application.libraries.management import LibraryManagement
from odeion.application.libraries.paths import PathSettings
from odeion.application.libraries.ports import FolderInspector
from odeion.application.libraries.views import LibraryQueries
from odeion.application.playback.administration import PlaybackAdministration
from odeion.application.playback.audit import PlaybackAuditQueries
from odeion.application.playback.downloads import MediaDownloads
from odeion.application.playback.sessions import PlaybackSessions
from odeion.application.playback.streams import Streams
from odeion.application.progress.activity import Activity
from odeion.application.progress.ports import ProgressQueries
from odeion.application.progress.tracking import ProgressTracking
from odeion.application.settings.user_settings import OwnSettings
from odeion.application.shared.outbox import OutboxRelay
from odeion.application.shared.realtime import RealtimeBus
from odeion.application.shared.signed_files import SignedFiles
from odeion.application.system.facts import SystemFacts
from odeion.application.tasks.runner import TaskRunner
from odeion.application.transcoding.administration import TranscodePools, TranscodeRuns
from odeion.application.transcoding.forecast import LibraryForecast
from odeion.application.transcoding.settings import TranscodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    sign_in: SignIn
    second_step: SecondStep
    proof: Proof
    second_factors: SecondFactors
    passkeys: Passkeys
    oauth: OAuth
    oauth_settings: OAuthSettings
    identification: Identification
    account: OwnAccount
    passwords: Passwords
    login_sessions: LoginSessions
    login_session_queries: LoginSessionQueries
    device_codes: DeviceCodes
    users: Users
    user_queries: UserQueries
    invites: Invites
    registration: Registration
    security_trail: SecurityTrailQueries
    own_settings: OwnSettings
    api_keys: ApiKeys
    first_run: FirstRun
    libraries: LibraryManagement
    library_queries: LibraryQueries
    path_settings: PathSettings
    folders: FolderInspector
    catalog: CatalogQueries
    metadata: MetadataEditing
    progress: ProgressTracking
    progress_queries: ProgressQueries
    activity: Activity
    playback_sessions: PlaybackSessions
    playback_administration: PlaybackAdministration
    playback_audit: PlaybackAuditQueries
    streams: Streams
    downloads: MediaDownloads
    signed_files: SignedFiles
    transcode_pools: TranscodePools
    transcode_options: TranscodeOptions
    transcode_runs: TranscodeRuns
    library_forecast: LibraryForecast
    realtime: RealtimeBus
    system: SystemFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUseCases:
    transcode_runs: TranscodeRuns
    tasks: TaskRunner
    relay: OutboxRelay
    identity: IdentityHousekeeping
    playback_sessions: PlaybackSessions
    playback_administration: PlaybackAdministration
