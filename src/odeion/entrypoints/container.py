"""The one place where ports meet adapters."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from arq.connections import ArqRedis
from dependency_injector import containers, providers
from redis.asyncio import ConnectionPool, Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion import __version__
from odeion.adapters.embedded.beside import find_running_postgres, find_running_valkey
from odeion.adapters.embedded.postgres import EmbeddedPostgres
from odeion.adapters.embedded.postgres import binaries as postgres_binaries
from odeion.adapters.embedded.process import running, spawn_guarded, stop_process
from odeion.adapters.embedded.valkey import EmbeddedValkey
from odeion.adapters.ffmpeg.hardware import FfmpegEncoderProbe
from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.ffmpeg.progressive import FfmpegProgressiveTranscoder
from odeion.adapters.ffmpeg.subtitles import FfmpegSubtitleConverter
from odeion.adapters.filesystem.folders import LocalFolders
from odeion.adapters.filesystem.media_tree import LocalMediaTree
from odeion.adapters.filesystem.reader import LocalFileReader
from odeion.adapters.naming.guessit_parser import GuessitNameParser
from odeion.adapters.oauth.providers import HttpIdentityProviders
from odeion.adapters.outbound.client import HardenedHttp
from odeion.adapters.postgres.catalog_queries import PostgresCatalogQueries
from odeion.adapters.postgres.database import create_engine
from odeion.adapters.postgres.health import DatabaseCheck
from odeion.adapters.postgres.identity import PostgresViewerQueries
from odeion.adapters.postgres.identity_queries import (
    PostgresLoginSessionQueries,
    PostgresSecurityTrailQueries,
    PostgresUserQueries,
)
from odeion.adapters.postgres.libraries import PostgresLibraryQueries
from odeion.adapters.postgres.library_makeup import PostgresLibraryMakeup
from odeion.adapters.postgres.media_indexes import PostgresMediaIndexes
from odeion.adapters.postgres.migrate import migrate, require_current_schema
from odeion.adapters.postgres.outbox import PostgresOutbox
from odeion.adapters.postgres.playback import PostgresPlayableSources, PostgresStreamSessions
from odeion.adapters.postgres.playback_audit import PostgresPlaybackAudit
from odeion.adapters.postgres.progress import PostgresProgressQueries
from odeion.adapters.postgres.tasks import PostgresTaskBoard
from odeion.adapters.postgres.transcoding import PostgresEncoderLeases, PostgresTranscodeQueries
from odeion.adapters.postgres.uow import PostgresUnitOfWorkFactory
from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.adapters.redis.bus import (
    RUN_TASK,
    SWEEP,
    TASK_QUEUE,
    ArqTaskWaker,
    RedisBus,
    RedisLoginThrottle,
    json_deserializer,
    json_serializer,
)
from odeion.adapters.security.file_tokens import JwtFileTokenCodec
from odeion.adapters.security.passkeys import WebAuthnCeremonies
from odeion.adapters.security.passwords import Argon2PasswordHasher
from odeion.adapters.security.secrets import AesGcmSecretBox, SystemSecretSource
from odeion.adapters.security.tokens import JwtTokenCodec
from odeion.adapters.system.bundled_ffmpeg import ffmpeg_version
from odeion.adapters.system.clock import SystemClock
from odeion.adapters.system.parts import InstalledDistributions
from odeion.application.catalog.editing import MetadataEditing
from odeion.application.identity.account import OwnAccount
from odeion.application.identity.api_keys import ApiKeys
from odeion.application.identity.device_codes import DeviceCodes
from odeion.application.identity.first_run import FirstRun
from odeion.application.identity.housekeeping import IdentityHousekeeping
from odeion.application.identity.identification import Identification
from odeion.application.identity.invites import Invites, Registration
from odeion.application.identity.login_sessions import LoginSessions
from odeion.application.identity.oauth import OAuth
from odeion.application.identity.oauth_settings import OAuthSettings
from odeion.application.identity.passkeys import Passkeys
from odeion.application.identity.passwords import Passwords
from odeion.application.identity.proof import Proof
from odeion.application.identity.second_factors import SecondFactors
from odeion.application.identity.second_step import SecondStep
from odeion.application.identity.sign_in import Admission, SignIn
from odeion.application.identity.users import Users
from odeion.application.libraries.management import LibraryManagement
from odeion.application.libraries.news import ScanNews
from odeion.application.libraries.paths import DefaultPaths, PathSettings
from odeion.application.libraries.scan import LibraryScanner
from odeion.application.playback.administration import PlaybackAdministration
from odeion.application.playback.downloads import MediaDownloads
from odeion.application.playback.indexing import IndexingAfterScans, LibraryIndexing
from odeion.application.playback.sessions import PlaybackSessions
from odeion.application.playback.streams import Streams
from odeion.application.progress.activity import Activity
from odeion.application.progress.tracking import ProgressTracking
from odeion.application.settings.user_settings import OwnSettings
from odeion.application.shared.links import Links
from odeion.application.shared.outbox import OutboxRelay
from odeion.application.shared.signed_files import FileKind, FileSigner, SignedFiles
from odeion.application.system.facts import SystemFacts
from odeion.application.tasks.runner import TaskRunner
from odeion.application.transcoding.administration import TranscodePools, TranscodeRuns
from odeion.application.transcoding.forecast import LibraryForecast
from odeion.application.transcoding.settings import TranscodeOptions
from odeion.domain.task import Task, TaskType
from odeion.entrypoints.secret_key import load_secret_key
from odeion.entrypoints.settings import Settings
from odeion.entrypoints.use_cases import UseCases, WorkerUseCases

log = structlog.get_logger(__name__)

_PROBE_LIMIT_S = 60.0


class Container(containers.DeclarativeContainer):
    """Pools are opened before and passed in; everything else is made here."""

    settings = providers.Dependency(instance_of=Settings)
    engine = providers.Dependency(instance_of=AsyncEngine)
    redis = providers.Dependency(instance_of=Redis)
    arq = providers.Dependency(instance_of=ArqRedis)
    secret_key = providers.Dependency(instance_of=bytes)

    clock = providers.Singleton(SystemClock)
    secrets = providers.Singleton(SystemSecretSource)
    secret_box = providers.Singleton(AesGcmSecretBox, secret_key)
    links = providers.Singleton(Links, settings.provided.public_url)
    uow = providers.Singleton(PostgresUnitOfWorkFactory, engine)
    passwords = providers.Singleton(Argon2PasswordHasher)
    tokens = providers.Singleton(JwtTokenCodec, secret_key)
    throttle = providers.Singleton(RedisLoginThrottle, redis)
    # Of wrong device codes the whole server bears few: they are short.
    device_code_throttle = providers.Singleton(
        RedisLoginThrottle, redis, space="device_code", free_tries=50, is_required=True
    )
    # Six digits are soon guessed where nobody counts.
    second_factor_throttle = providers.Singleton(RedisLoginThrottle, redis, space="second_factor", is_required=True)
    second_factors = providers.Singleton(
        SecondFactors, uow, passwords, secrets, secret_box, second_factor_throttle, clock
    )
    admission = providers.Singleton(Admission, tokens, secrets)
    viewers = providers.Singleton(PostgresViewerQueries, engine)
    outbound = providers.Singleton(HardenedHttp)
    identity_providers = providers.Singleton(HttpIdentityProviders, outbound, clock)
    passkey_ceremonies = providers.Singleton(WebAuthnCeremonies, links)
    folders = providers.Singleton(LocalFolders)
    bus = providers.Singleton(RedisBus, redis)
    waker = providers.Singleton(ArqTaskWaker, arq)
    default_paths = providers.Singleton(
        lambda settings: DefaultPaths(
            transcode_cache=str(settings.caches / "transcodes"),
            subtitle_cache=str(settings.caches / "subtitles"),
        ),
        settings,
    )
    path_settings = providers.Singleton(PathSettings, uow, folders, default_paths, clock)
    catalog = providers.Singleton(PostgresCatalogQueries, engine)
    progress_queries = providers.Singleton(PostgresProgressQueries, engine)
    media_indexes = providers.Singleton(PostgresMediaIndexes, engine)
    indexer = providers.Singleton(MediaIndexes, media_indexes)
    sources = providers.Singleton(PostgresPlayableSources, engine, indexer.provided.format)
    node = providers.Callable(socket.gethostname)
    encoder_probe = providers.Singleton(FfmpegEncoderProbe)
    encoder_leases = providers.Singleton(PostgresEncoderLeases, engine, clock, node)
    transcode_queries = providers.Singleton(PostgresTranscodeQueries, engine)
    transcode_pools = providers.Singleton(TranscodePools, uow, transcode_queries, encoder_probe, clock, node)
    transcode_runs = providers.Singleton(TranscodeRuns, transcode_queries, clock, __version__)
    transcode_options = providers.Singleton(TranscodeOptions, uow, clock)
    producer = providers.Singleton(
        HlsRenditionProducer,
        cache_folder=path_settings.provided.transcode_cache,
        leases=encoder_leases,
        settings=transcode_options.provided.current,
        cache_limit_bytes=providers.Callable(lambda s: s.transcode_cache_mb * 1_000_000, settings),
        indexes=indexer,
    )
    subtitles = providers.Singleton(FfmpegSubtitleConverter, cache_folder=path_settings.provided.subtitle_cache)
    files = providers.Singleton(LocalFileReader)
    playback_sessions = providers.Singleton(
        PlaybackSessions, uow, sources, indexer, producer, secrets, clock, transcode_options.provided.policy
    )
    playback_audit = providers.Singleton(PostgresPlaybackAudit, engine)
    playback_administration = providers.Singleton(
        PlaybackAdministration, uow, playback_audit, producer, clock, __version__
    )
    streams = providers.Singleton(
        Streams,
        providers.Singleton(PostgresStreamSessions, engine),
        producer,
        subtitles,
        files,
        uow,
        clock,
    )
    file_tokens = providers.Singleton(JwtFileTokenCodec, secret_key)
    file_signer = providers.Singleton(FileSigner, file_tokens, clock)
    downloads = providers.Singleton(
        MediaDownloads,
        sources,
        files,
        providers.Singleton(FfmpegProgressiveTranscoder, encoder_leases, transcode_options.provided.current),
        file_signer,
        transcode_options.provided.policy,
    )
    # Who may have a file of each kind, and how it is opened.
    file_openers = providers.Dict(
        {
            FileKind.MEDIA: downloads.provided.open_signed,
            FileKind.MEDIA_TRANSCODED: downloads.provided.open_signed,
        }
    )
    signed_files = providers.Singleton(SignedFiles, file_tokens, viewers, file_openers, clock)
    use_cases = providers.Singleton(
        UseCases,
        sign_in=providers.Singleton(
            SignIn,
            uow,
            passwords,
            tokens,
            secrets,
            throttle,
            clock,
            admission,
        ),
        second_step=providers.Singleton(
            SecondStep, uow, passkey_ceremonies, admission, secrets, secret_box, second_factor_throttle, clock
        ),
        proof=providers.Singleton(Proof, uow, second_factors, clock),
        second_factors=second_factors,
        passkeys=providers.Singleton(Passkeys, uow, passkey_ceremonies, admission, secrets, clock),
        oauth=providers.Singleton(
            OAuth, uow, viewers, identity_providers, admission, throttle, secrets, secret_box, links, clock
        ),
        oauth_settings=providers.Singleton(OAuthSettings, uow, identity_providers, secret_box, links, clock),
        identification=providers.Singleton(Identification, viewers, tokens, clock),
        account=providers.Singleton(OwnAccount, uow),
        passwords=providers.Singleton(Passwords, uow, passwords, secrets, links, throttle, clock),
        login_sessions=providers.Singleton(LoginSessions, uow, clock),
        login_session_queries=providers.Singleton(PostgresLoginSessionQueries, engine, clock),
        device_codes=providers.Singleton(DeviceCodes, uow, tokens, secrets, device_code_throttle, clock),
        users=providers.Singleton(Users, uow, passwords, clock),
        user_queries=providers.Singleton(PostgresUserQueries, engine, clock),
        invites=providers.Singleton(Invites, uow, secrets, secret_box, links, clock),
        registration=providers.Singleton(Registration, uow, passwords, tokens, secrets, throttle, clock),
        security_trail=providers.Singleton(PostgresSecurityTrailQueries, engine),
        own_settings=providers.Singleton(OwnSettings, uow, clock),
        api_keys=providers.Singleton(ApiKeys, uow, secrets, clock),
        first_run=providers.Singleton(FirstRun, uow, passwords, tokens, secrets, throttle, clock),
        libraries=providers.Singleton(LibraryManagement, uow, folders, clock),
        library_queries=providers.Singleton(PostgresLibraryQueries, engine),
        path_settings=path_settings,
        folders=folders,
        catalog=catalog,
        metadata=providers.Singleton(MetadataEditing, uow, catalog),
        progress=providers.Singleton(ProgressTracking, uow, progress_queries, clock),
        progress_queries=progress_queries,
        activity=providers.Singleton(Activity, progress_queries),
        playback_sessions=playback_sessions,
        playback_administration=playback_administration,
        playback_audit=playback_audit,
        streams=streams,
        downloads=downloads,
        signed_files=signed_files,
        transcode_pools=transcode_pools,
        transcode_options=transcode_options,
        transcode_runs=transcode_runs,
        library_forecast=providers.Singleton(LibraryForecast, providers.Singleton(PostgresLibraryMakeup, engine)),
        realtime=bus,
        system=providers.Singleton(
            SystemFacts,
            providers.Singleton(InstalledDistributions),
            providers.List(providers.Singleton(DatabaseCheck, engine)),
        ),
    )

    probe = providers.Singleton(PyAvMediaProbe, settings.provided.probe_workers, _PROBE_LIMIT_S)
    scanner = providers.Singleton(
        LibraryScanner,
        uow,
        providers.Singleton(LocalMediaTree),
        probe,
        providers.Singleton(GuessitNameParser),
        clock,
    )
    scan_news = providers.Singleton(ScanNews, bus, clock)
    task_board = providers.Singleton(PostgresTaskBoard, engine)
    tasks = providers.Singleton(
        TaskRunner,
        uow,
        task_board,
        waker,
        providers.Dict(
            {
                TaskType.SCAN_LIBRARY: scanner,
                TaskType.INDEX_LIBRARY: providers.Singleton(LibraryIndexing, media_indexes, indexer),
            }
        ),
        scan_news.provided.progressed,
        clock,
        f"{socket.gethostname()}:{os.getpid()}",
        providers.Object(lambda task, error: _log_crash(task, error)),
    )
    relay = providers.Singleton(
        OutboxRelay,
        providers.Singleton(PostgresOutbox, engine),
        providers.List(
            bus.provided.publish_event,
            waker.provided.wake_for_event,
            scan_news.provided.finished,
            providers.Singleton(IndexingAfterScans, uow, clock),
        ),
        clock,
    )
    worker_use_cases = providers.Singleton(
        WorkerUseCases,
        transcode_runs=transcode_runs,
        tasks=tasks,
        relay=relay,
        identity=providers.Singleton(IdentityHousekeeping, uow, clock),
        playback_sessions=playback_sessions,
        playback_administration=playback_administration,
    )


def installed_parts() -> InstalledDistributions:
    """For applications without a container."""
    return InstalledDistributions()


def _log_crash(task: Task, error: BaseException) -> None:
    log.error("a task crashed", task_id=task.id, type=task.type.value, exc_info=error)


@asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Open the pools, make the container, close everything at the end. Needs `database_url` and `redis_url`."""
    assert settings.database_url is not None and settings.redis_url is not None
    engine = create_engine(_async_url(settings.database_url), pool_size=settings.database_pool_size)
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=2, health_check_interval=30)
    # arq does not close a pool it was given.
    arq_pool = ConnectionPool.from_url(settings.redis_url, socket_connect_timeout=2)
    arq = ArqRedis(
        arq_pool,
        job_serializer=json_serializer,
        job_deserializer=json_deserializer,
    )
    container = Container(settings=settings, engine=engine, redis=redis, arq=arq, secret_key=load_secret_key(settings))
    try:
        yield container
    finally:
        await arq.aclose()
        await arq_pool.aclose()
        await redis.aclose()
        await engine.dispose()


def _async_url(url: str) -> str:
    """What people paste names no driver."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+asyncpg{separator}{rest}" if scheme in ("postgres", "postgresql") else url


__all__ = [
    "RUN_TASK",
    "SWEEP",
    "TASK_QUEUE",
    "Container",
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "ffmpeg_version",
    "find_running_postgres",
    "find_running_valkey",
    "installed_parts",
    "json_deserializer",
    "json_serializer",
    "migrate",
    "open_container",
    "postgres_binaries",
    "require_current_schema",
    "running",
    "spawn_guarded",
    "stop_process",
]
